/** What no container of an app may have, and what could not work in one. Pure. */
import type { Violation } from "../../intent/wish.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../kube/object.ts";
import type { AppContainer } from "./containers.ts";

const probes = ["startupProbe", "readinessProbe", "livenessProbe"] as const;
const probeWays = ["exec", "grpc", "httpGet", "tcpSocket"] as const;
const hooks = ["postStart", "preStop"] as const;
const hookWays = ["exec", "httpGet", "sleep", "tcpSocket"] as const;
/** Where a variable's value may come from. */
const sources = ["configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef"] as const;

export function containerChecks({ json, path, isInit }: AppContainer): Violation[] {
  const at = (field: string): string => (path === "" ? field : `${path}.${field}`);
  return [
    // The app's own is asked for by the declaration of the spec.
    ...(json.image || path === ""
      ? []
      : [{ field: at("image"), rule: "required", message: "a container needs an image" }]),
    ...ports(json, at("ports")),
    ...variables(json, at("env")),
    ...probes.flatMap((probe) => probeChecks(json, json[probe], at(probe))),
    ...(isJsonObject(json.lifecycle) ? hookChecks(json, json.lifecycle, at("lifecycle")) : []),
    ...(isInit ? beforeOthers(json, path) : restarts(json, at("restartPolicy"))),
  ];
}

/** On the node itself they would be open to everybody who reaches it, and no policy of ours would see them. */
function ports({ ports: list }: JsonObject, path: string): Violation[] {
  return objects(list).flatMap((port, index) =>
    (["hostPort", "hostIP"] as const)
      .filter((field) => port[field] !== undefined)
      .map((field) =>
        forbidden(`${path}[${index}].${field}`, "apps get no ports of the host's nodes; name the port in ports"),
      ),
  );
}

function variables({ env }: JsonObject, path: string): Violation[] {
  return objects(env).flatMap((variable, index) => {
    const { valueFrom } = variable;
    if (!isJsonObject(valueFrom)) return [];
    const at = `${path}[${index}].valueFrom`;
    const other = Object.keys(valueFrom).find((name) => !sources.some((known) => known === name));
    if (other) return [forbidden(`${at}.${other}`, `a value comes from one of ${sources.join(", ")}`)];
    const both = typeof variable.value === "string" && variable.value !== "";
    if (both) return [{ field: at, rule: "oneof", message: "the variable has a value of its own already" }];
    return exactlyOne(valueFrom, sources, at);
  });
}

function probeChecks(container: JsonObject, probe: JsonValue | undefined, path: string): Violation[] {
  if (!isJsonObject(probe)) return [];
  return [...exactlyOne(probe, probeWays, path), ...wayChecks(container, probe, path)];
}

function hookChecks(container: JsonObject, lifecycle: JsonObject, path: string): Violation[] {
  return hooks.flatMap((name) => {
    const hook = lifecycle[name];
    if (!isJsonObject(hook)) return [];
    const at = `${path}.${name}`;
    return [...exactlyOne(hook, hookWays, at), ...wayChecks(container, hook, at)];
  });
}

/** A kubelet asks from the node, where it reaches what the pod does not. */
function wayChecks(container: JsonObject, way: JsonObject, path: string): Violation[] {
  return (["httpGet", "tcpSocket"] as const).flatMap((name) => {
    const asked = way[name];
    if (!isJsonObject(asked)) return [];
    const at = `${path}.${name}`;
    const message = "is not for apps to say: it is the pod that is asked, and no other host";
    return [
      ...(asked.host === undefined ? [] : [forbidden(`${at}.host`, message)]),
      ...portChecks(container, asked.port, `${at}.port`),
    ];
  });
}

function portChecks(container: JsonObject, port: JsonValue | undefined, field: string): Violation[] {
  if (typeof port !== "string" || /^\d+$/.test(port)) return [];
  const known = objects(container.ports).flatMap(({ name }) => (typeof name === "string" ? [name] : []));
  if (known.includes(port)) return [];
  const names = known.length > 0 ? `it has ${known.join(", ")}` : "none of its ports has a name";
  return [{ field, rule: "reference", message: `the container has no port called "${port}"; ${names}` }];
}

function beforeOthers({ restartPolicy, ...json }: JsonObject, path: string): Violation[] {
  if (restartPolicy === "Always") return [];
  if (restartPolicy !== undefined) return restarts({ restartPolicy }, `${path}.restartPolicy`);
  const message = "counts only for one that runs on beside the others, with restartPolicy: Always";
  return [...probes, "lifecycle"]
    .filter((field) => json[field] !== undefined)
    .map((field) => ({ field: `${path}.${field}`, rule: "kind", message }));
}

function restarts({ restartPolicy, restartPolicyRules }: JsonObject, field: string): Violation[] {
  if (restartPolicy === undefined && restartPolicyRules === undefined) return [];
  return [forbidden(field, "only a container before the others has one, Always, with which it runs on beside them")];
}

function exactlyOne(whole: JsonObject, names: readonly string[], field: string): Violation[] {
  const count = names.filter((name) => whole[name] !== undefined).length;
  return count === 1 ? [] : [{ field, rule: "oneof", message: `exactly one of ${names.join(", ")} must be set` }];
}

function forbidden(field: string, message: string): Violation {
  return { field, rule: "forbidden", message };
}

function objects(list: JsonValue | undefined): JsonObject[] {
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}
