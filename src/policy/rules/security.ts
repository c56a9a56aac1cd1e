/**
 * Rules about what a pod may be on its node: the Pod Security levels of Kubernetes, which the namespace enforces too; here they are
 * said before anything is made, and with the field. Some go beyond the level: what refers to files of the nodes is nothing
 * that an app brings along.
 */
import type { JsonObject, JsonValue } from "../../kube/object.ts";
import { type AppContainer, containersOf } from "../containers.ts";
import { partAt, partsAt, textAt, textsAt, valueAt } from "../fragment.ts";
import type { Finding, Question, Rule } from "./question.ts";

/** A security context and where it stands, with a dot behind it. */
interface Context {
  readonly path: string;
  readonly json: JsonObject | undefined;
  readonly container: AppContainer | undefined;
}

export const isPodSecure: Rule = (question) => {
  const contexts = contextsOf(question);
  const restricted = question.context.policy.podSecurity === "restricted" ? isRestricted(contexts) : [];
  return [...contexts.flatMap(isBaseline), ...restricted];
};

function contextsOf({ app }: Question): readonly Context[] {
  return [
    { path: "podSecurityContext.", json: app.podSecurityContext, container: undefined },
    ...containersOf(app).map((container) => {
      return {
        path: `${container.path}securityContext.`,
        json: partAt(container.fields, "securityContext"),
        container,
      };
    }),
  ];
}

/** Beyond the level: a profile `Localhost` is a file of the node. */
function isBaseline({ path, json }: Context): Finding[] {
  const wrong = only(path, "baseline");
  const windows = partAt(json, "windowsOptions");
  const selinux = partAt(json, "seLinuxOptions");
  const profile = (name: string): Finding[] =>
    wrong("profile", `${name}.type`, textAt(partAt(json, name), "type"), ["RuntimeDefault"]);
  return [
    ...wrong("privileged", "privileged", valueAt(json, "privileged"), [false]),
    ...textsAt(partAt(json, "capabilities"), "add").flatMap((each) =>
      wrong("capabilities", "capabilities.add", each, ordinaryCapabilities),
    ),
    ...profile("seccompProfile"),
    ...profile("appArmorProfile"),
    ...wrong("selinux", "seLinuxOptions.type", textAt(selinux, "type"), ["", ...containerTypes]),
    ...wrong("selinux", "seLinuxOptions.user", textAt(selinux, "user"), [""]),
    ...wrong("selinux", "seLinuxOptions.role", textAt(selinux, "role"), [""]),
    ...wrong("proc-mount", "procMount", textAt(json, "procMount"), ["Default"]),
    ...partsAt(json, "sysctls").flatMap(({ part, at }) =>
      wrong("sysctls", `sysctls[${at}].name`, textAt(part, "name"), safeSysctls),
    ),
    ...wrong("windows", "windowsOptions.hostProcess", valueAt(windows, "hostProcess"), [false]),
    ...wrong("windows", "windowsOptions.gmsaCredentialSpec", textAt(windows, "gmsaCredentialSpec"), [""]),
    ...wrong("windows", "windowsOptions.gmsaCredentialSpecName", textAt(windows, "gmsaCredentialSpecName"), [""]),
  ];
}

/** What is left out gets the level's own (pod-security.ts). */
function isRestricted(contexts: readonly Context[]): Finding[] {
  const isEachNonRoot = contexts.every(
    ({ json, container }) => container === undefined || valueAt(json, "runAsNonRoot") === true,
  );
  return contexts.flatMap(({ path, json, container }) => {
    const wrong = only(path, "restricted");
    const isOverruled = container === undefined && isEachNonRoot;
    const dropped = partAt(json, "capabilities");
    const dropsAll = valueAt(dropped, "drop") === undefined || textsAt(dropped, "drop").includes("ALL");
    return [
      ...(isOverruled ? [] : wrong("run-as-root", "runAsNonRoot", valueAt(json, "runAsNonRoot"), [true])),
      ...(valueAt(json, "runAsUser") === 0 ? wrong("run-as-root", "runAsUser", 0, []) : []),
      ...wrong("privilege-escalation", "allowPrivilegeEscalation", valueAt(json, "allowPrivilegeEscalation"), [false]),
      ...(dropsAll ? [] : wrong("capabilities", "capabilities.drop", textsAt(dropped, "drop").join(", "), ["ALL"])),
      ...textsAt(dropped, "add").flatMap((each) =>
        ordinaryCapabilities.includes(each)
          ? wrong("capabilities", "capabilities.add", each, ["NET_BIND_SERVICE"])
          : [],
      ),
    ];
  });
}

/** Says nothing of a field that is not said, or is one of the allowed. */
function only(path: string, level: "baseline" | "restricted") {
  return (rule: string, name: string, said: JsonValue | undefined, allowed: readonly JsonValue[]): Finding[] => {
    if (said === undefined || allowed.includes(said)) return [];
    const field = `${path}${name}`;
    const asked = typeof said === "string" ? said : JSON.stringify(said);
    const possible = allowed.filter((each) => each !== "").join(", ");
    const instead = possible === "" ? "leave it out" : `leave it out, or say ${possible}`;
    const message = `${field} ${asked === "" ? "empty" : asked} is not allowed by the Pod Security level ${level} as it counts here; ${instead}`;
    return [{ rule: `security/${rule}`, field, message, asked, ...(possible === "" ? {} : { allowed: possible }) }];
  };
}

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/ of Kubernetes 1.34. */
const ordinaryCapabilities: readonly string[] = [
  "AUDIT_WRITE",
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "MKNOD",
  "NET_BIND_SERVICE",
  "SETFCAP",
  "SETGID",
  "SETPCAP",
  "SETUID",
  "SYS_CHROOT",
];

const containerTypes: readonly string[] = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

const safeSysctls: readonly string[] = [
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_wmem",
];
