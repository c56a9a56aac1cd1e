import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import { securedContainer, securedPod } from "../../src/policy/pod-security.ts";
import { appOf, ask, policyOf, summary } from "./given.ts";

function judge(app: JsonObject, workloads: JsonObject = {}) {
  return ask(appOf(app), { policy: policyOf({ workloads }) });
}

/** Where a container may stand, with the path that an answer has to name. */
const places: [string, (fields: JsonObject) => JsonObject][] = [
  ["", (fields) => fields],
  ["containers[0].", (fields) => ({ containers: [{ name: "b", image: "b:1", ...fields }] })],
  ["initContainers[0].", (fields) => ({ initContainers: [{ name: "b", image: "b:1", ...fields }] })],
  [
    "initContainers[0].",
    (fields) => ({ initContainers: [{ name: "b", image: "b:1", restartPolicy: "Always", ...fields }] }),
  ],
];

/** What a container asks for that no level lets it have; the field below the container, and the rule that has to speak. */
const breakouts: [string, string, JsonObject][] = [
  ["privileged", "security/privileged", { securityContext: { privileged: true } }],
  ["capabilities.add", "security/capabilities", { securityContext: { capabilities: { add: ["SYS_ADMIN"] } } }],
  ["capabilities.add", "security/capabilities", { securityContext: { capabilities: { add: ["CHOWN", "NET_RAW"] } } }],
  ["capabilities.add", "security/capabilities", { securityContext: { capabilities: { add: ["ALL"] } } }],
  ["capabilities.add", "security/capabilities", { securityContext: { capabilities: { add: ["CAP_SYS_PTRACE"] } } }],
  ["seccompProfile.type", "security/profile", { securityContext: { seccompProfile: { type: "Unconfined" } } }],
  [
    "seccompProfile.type",
    "security/profile",
    { securityContext: { seccompProfile: { type: "Localhost", localhostProfile: "open.json" } } },
  ],
  ["appArmorProfile.type", "security/profile", { securityContext: { appArmorProfile: { type: "Unconfined" } } }],
  ["procMount", "security/proc-mount", { securityContext: { procMount: "Unmasked" } }],
  ["seLinuxOptions.type", "security/selinux", { securityContext: { seLinuxOptions: { type: "spc_t" } } }],
  ["seLinuxOptions.user", "security/selinux", { securityContext: { seLinuxOptions: { user: "system_u" } } }],
  ["seLinuxOptions.role", "security/selinux", { securityContext: { seLinuxOptions: { role: "sysadm_r" } } }],
  ["windowsOptions.hostProcess", "security/windows", { securityContext: { windowsOptions: { hostProcess: true } } }],
  [
    "windowsOptions.gmsaCredentialSpecName",
    "security/windows",
    { securityContext: { windowsOptions: { gmsaCredentialSpecName: "admin" } } },
  ],
];

/** The same for what is not in the security context. */
const waysOut: [string, string, JsonObject][] = [
  ["livenessProbe.httpGet.host", "probes/host", { livenessProbe: { httpGet: { host: "169.254.169.254", port: 80 } } }],
  ["readinessProbe.tcpSocket.host", "probes/host", { readinessProbe: { tcpSocket: { host: "10.96.0.1", port: 443 } } }],
  ["startupProbe.httpGet.host", "probes/host", { startupProbe: { httpGet: { host: "localhost", port: 10250 } } }],
  [
    "lifecycle.postStart.httpGet.host",
    "probes/host",
    { lifecycle: { postStart: { httpGet: { host: "metadata", port: 80 } } } },
  ],
  [
    "lifecycle.preStop.tcpSocket.host",
    "probes/host",
    { lifecycle: { preStop: { tcpSocket: { host: "127.0.0.1", port: 6443 } } } },
  ],
  [
    "volumeMounts[0].mountPropagation",
    "volumes/propagation",
    { volumeMounts: [{ name: "a", mountPath: "/a", mountPropagation: "Bidirectional" }] },
  ],
];

describe("a container that wants out of its pod is refused, with the rule and the field", () => {
  for (const [path, at] of places) {
    test(path === "" ? "the app's own" : `one of ${path}`, () => {
      for (const [field, rule, fields] of breakouts) {
        const { decision, findings } = judge(at(fields));
        assert.equal(decision, "deny", field);
        assert.deepEqual([findings[0]?.rule, findings[0]?.field], [rule, `${path}securityContext.${field}`]);
      }
      for (const [field, rule, fields] of waysOut) {
        const { decision, findings } = judge(at(fields));
        assert.equal(decision, "deny", field);
        assert.deepEqual([findings[0]?.rule, findings[0]?.field], [rule, `${path}${field}`]);
      }
    });
  }

  test("ports of the node, which only other containers can name", () => {
    for (const at of places.slice(1).map(([, make]) => make)) {
      for (const port of [
        { containerPort: 80, hostPort: 80 },
        { containerPort: 80, hostIP: "0.0.0.0" },
      ])
        assert.equal(summary(judge(at({ ports: [port] }))), "deny ports/node");
      assert.equal(summary(judge(at({ ports: [{ containerPort: 80, hostPort: 0 }] }))), "admit");
    }
  });
});

test("a pod that wants to be more than its level is refused", () => {
  const table: [string, JsonObject][] = [
    ["security/profile", { seccompProfile: { type: "Unconfined" } }],
    ["security/profile", { appArmorProfile: { type: "Localhost", localhostProfile: "mine" } }],
    ["security/selinux", { seLinuxOptions: { type: "unconfined_t" } }],
    ["security/sysctls", { sysctls: [{ name: "kernel.msgmax", value: "1" }] }],
    [
      "security/sysctls",
      { sysctls: [{ name: "net.ipv4.tcp_syncookies", value: "1" }, { name: "net.core.somaxconn" }] },
    ],
    ["security/windows", { windowsOptions: { hostProcess: true } }],
  ];
  for (const [rule, podSecurityContext] of table)
    assert.equal(summary(judge({ podSecurityContext })), `deny ${rule}`, JSON.stringify(podSecurityContext));
});

test("what the level baseline lets a pod say, it may say", () => {
  const podSecurityContext = {
    runAsUser: 0,
    fsGroup: 1000,
    supplementalGroups: [5],
    seccompProfile: { type: "RuntimeDefault" },
    seLinuxOptions: { type: "container_t", level: "s0:c123,c456" },
    sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
  };
  const securityContext = {
    privileged: false,
    allowPrivilegeEscalation: true,
    readOnlyRootFilesystem: true,
    runAsUser: 0,
    procMount: "Default",
    capabilities: { add: ["CHOWN", "NET_BIND_SERVICE", "SETUID"], drop: ["MKNOD"] },
  };
  const probe = { httpGet: { path: "/", port: 80, host: "" }, periodSeconds: 1 };
  assert.equal(summary(judge({ podSecurityContext, securityContext, livenessProbe: probe })), "admit");
});

describe("under the level restricted", () => {
  const restricted = { podSecurity: "restricted" };

  for (const [path, at] of places) {
    test(`${path || "the app's own"} may not be root nor gain more than it has`, () => {
      const table: [string, string, JsonObject][] = [
        ["runAsNonRoot", "security/run-as-root", { runAsNonRoot: false }],
        ["runAsUser", "security/run-as-root", { runAsUser: 0 }],
        ["allowPrivilegeEscalation", "security/privilege-escalation", { allowPrivilegeEscalation: true }],
        ["capabilities.drop", "security/capabilities", { capabilities: { drop: ["NET_RAW"] } }],
        ["capabilities.drop", "security/capabilities", { capabilities: { drop: [] } }],
        ["capabilities.add", "security/capabilities", { capabilities: { drop: ["ALL"], add: ["CHOWN"] } }],
      ];
      for (const [field, rule, securityContext] of table) {
        const { findings } = judge(at({ securityContext }), restricted);
        assert.deepEqual(
          findings.map((finding) => [finding.rule, finding.field]),
          [[rule, `${path}securityContext.${field}`]],
        );
      }
      const fine = { capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] }, runAsUser: 1000 };
      assert.equal(summary(judge(at({ securityContext: fine }), restricted)), "admit");
    });
  }

  test("a pod may say that it runs as root only when each container says that it does not", () => {
    const asRoot = { podSecurityContext: { runAsNonRoot: false } };
    assert.equal(summary(judge(asRoot, restricted)), "deny security/run-as-root");
    const nonRoot = { securityContext: { runAsNonRoot: true } };
    assert.equal(summary(judge({ ...asRoot, ...nonRoot }, restricted)), "admit");
    const beside = { containers: [{ name: "b", image: "b:1" }] };
    assert.equal(summary(judge({ ...asRoot, ...nonRoot, ...beside }, restricted)), "deny security/run-as-root");
    assert.equal(
      summary(judge({ ...nonRoot, podSecurityContext: { runAsUser: 0 } }, restricted)),
      "deny security/run-as-root",
    );
  });

  test("what is not said is filled in as the level asks for it, and what is said is kept", () => {
    assert.deepEqual(securedPod(undefined, "restricted"), {
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    assert.deepEqual(securedPod({ fsGroup: 1 }, "baseline"), {
      seccompProfile: { type: "RuntimeDefault" },
      fsGroup: 1,
    });
    assert.equal(securedContainer(undefined, "baseline"), undefined);
    assert.deepEqual(securedContainer({ runAsUser: 5, capabilities: { add: ["NET_BIND_SERVICE"] } }, "restricted"), {
      allowPrivilegeEscalation: false,
      runAsUser: 5,
      capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
    });
  });
});

test("only what the app brings along is mounted", () => {
  const foreign: JsonObject[] = [
    { hostPath: { path: "/" } },
    { nfs: { server: "10.0.0.1", path: "/" } },
    { csi: { driver: "secrets-store.csi.k8s.io" } },
    { ephemeral: { volumeClaimTemplate: {} } },
    { image: { reference: "evil:1" } },
    { iscsi: {} },
    { gitRepo: { repository: "https://example.org" } },
    { emptyDir: {}, hostPath: { path: "/" } },
  ];
  for (const volume of foreign)
    assert.equal(summary(judge({ volumes: [{ name: "v", ...volume }] })), "deny volumes/kind", JSON.stringify(volume));
  for (const kind of ["serviceAccountToken", "clusterTrustBundle", "podCertificate"]) {
    const { findings } = judge({
      volumes: [{ name: "v", projected: { sources: [{ configMap: {} }, { [kind]: {} }] } }],
    });
    assert.deepEqual(
      [findings[0]?.rule, findings[0]?.field],
      ["volumes/kind", `volumes[0].projected.sources[1].${kind}`],
    );
  }
  const own = [
    { name: "a", emptyDir: { medium: "Memory" } },
    { name: "b", configMap: { name: "web" } },
    { name: "c", secret: { secretName: "db" } },
    { name: "d", downwardAPI: {} },
    { name: "e", projected: { sources: [{ secret: {} }, { downwardAPI: {} }] } },
    { name: "f", persistentVolumeClaim: { claimName: "data" } },
  ];
  assert.equal(summary(judge({ volumes: own })), "admit");
});

test("a claim is for a new volume of its class, and for nobody else's data", () => {
  const spec = { storageClassName: "fast", resources: { requests: { storage: "1Gi" } } };
  const policy = { storage: { classes: ["fast"] } };
  assert.equal(summary(judge({ claims: [{ name: "data", spec }] }, policy)), "admit");
  const sources: JsonObject[] = [
    { volumeName: "pv-of-another" },
    { selector: { matchLabels: { of: "another" } } },
    { dataSource: { kind: "PersistentVolumeClaim", name: "theirs" } },
    { dataSourceRef: { kind: "VolumeSnapshot", name: "theirs", namespace: "shop" } },
    { volumeAttributesClassName: "gold" },
  ];
  for (const source of sources) {
    const asked = judge({ claims: [{ name: "data", spec: { ...spec, ...source } }] }, policy);
    assert.equal(summary(asked), "deny storage/source", JSON.stringify(source));
  }
});

test("every image of a pod is judged, wherever it stands", () => {
  const hex = "0123456789abcdef".repeat(4);
  for (const [path, at] of places.slice(1)) {
    const asked = (image: string, workloads: JsonObject) => {
      const { findings } = judge({ image: `good.example/web@sha256:${hex}`, ...at({ image }) }, workloads);
      return findings.map(({ rule, field }) => `${rule} ${field}`);
    };
    assert.deepEqual(asked("evil.example/a:1", { images: ["good.example/**"] }), [`images/not-allowed ${path}image`]);
    assert.deepEqual(asked("evil.example/a:1", { deniedImages: ["evil.example/**"] }), [`images/denied ${path}image`]);
    assert.deepEqual(asked("good.example/a:1", { requireDigest: true }), [`images/digest ${path}image`]);
    assert.deepEqual(asked("NOT an image", {}), [`images/invalid ${path}image`]);
    assert.deepEqual(asked("", {}), [`images/invalid ${path}image`]);
    const fresh = ask(appOf({ image: "web:1", ...at({ image: "new:1" }) }), {
      policy: policyOf({ workloads: { approval: "NewImage" } }),
      running: appOf({ image: "web:1" }),
    });
    assert.equal(fresh.decision, "hold");
    assert.deepEqual(
      fresh.findings.map(({ field, asked: image }) => [field, image]),
      [[`${path}image`, "docker.io/library/new:1"]],
    );
  }
});

test("what must be said must be said by every container, and what a pod may have they have together", () => {
  for (const [path, at] of places.slice(1)) {
    const app = { resources: { limits: { memory: "1Gi" } }, ...at({}) };
    for (const policy of [{ pod: { requireLimits: ["memory"] } }, { quota: { "limits.memory": "9Gi" } }]) {
      const { findings } = judge(app, policy);
      assert.deepEqual(
        findings.map(({ field }) => field),
        [`${path}resources.limits[memory]`],
      );
    }
    assert.equal(
      summary(judge(app, { approvalAbove: { "limits.memory": "9Gi" } })),
      "hold approval/above/limits.memory",
    );
    const device = at({ resources: { limits: { "nvidia.com/gpu": 1 } } });
    assert.equal(summary(judge(device)), "deny resources/not-allowed");
    assert.equal(summary(judge(at({ resources: { limits: { memory: "much" } } }))), "deny resources/invalid");
  }
  const two = (memory: string) => ({
    resources: { limits: { memory } },
    containers: [{ name: "b", image: "b:1", resources: { limits: { memory } } }],
  });
  assert.equal(summary(judge(two("512Mi"), { pod: { max: { memory: "1Gi" } } })), "admit");
  assert.equal(summary(judge(two("513Mi"), { pod: { max: { memory: "1Gi" } } })), "deny pod/max");
  assert.equal(summary(judge({ ...two("512Mi"), replicas: 2 }, { quota: { "limits.memory": "2Gi" } })), "admit");
  assert.equal(
    summary(judge({ ...two("512Mi"), replicas: 3 }, { quota: { "limits.memory": "2Gi" } })),
    "deny quota/limits.memory",
  );
  const silent = judge({ containers: [{ name: "b", image: "b:1" }] }, { pod: { max: { memory: "1Gi" } } });
  assert.equal(summary(silent), "deny pod/max", "each that says nothing gets the most");
  assert.match(silent.findings[0]?.message ?? "", /one that says nothing gets 1Gi: say resources.limits\[memory\]/);
});

test("a silent container more is more, even where one was silent before", () => {
  const policy = policyOf({ workloads: { quota: { "limits.memory": "4Gi" } } });
  const running = appOf({ replicas: 2 });
  const beside = { containers: [{ name: "b", image: "b:1" }] };
  assert.equal(summary(ask(appOf({ replicas: 2, ...beside }), { policy, running })), "deny quota/limits.memory");
  assert.equal(summary(ask(appOf({ replicas: 1, ...beside }), { policy, running })), "admit");
});

test("Jobs count by the pods that run at a time, and those that may overlap without end pass no bound", () => {
  const job = (parallelism: number, kind = "Job", cronJob: JsonObject = {}) => ({
    kind,
    replicas: 0,
    job: { parallelism },
    ...(kind === "CronJob" ? { cronJob: { schedule: "* * * * *", ...cronJob } } : {}),
  });
  assert.equal(summary(judge(job(2), { quota: { pods: 2 }, maxReplicas: 2 })), "admit");
  const many = judge(job(3), { quota: { pods: 2 }, maxReplicas: 2 });
  assert.equal(summary(many), "deny replicas/max quota/pods");
  assert.equal(many.findings[0]?.field, "job.parallelism");
  for (const policy of [{ quota: { pods: 9 } }, { total: { pods: 9 } }, { maxReplicas: 9 }]) {
    assert.equal(summary(judge(job(1, "CronJob"), policy)), "deny jobs/overlap");
    assert.equal(summary(judge(job(1, "CronJob", { concurrencyPolicy: "Allow" }), policy)), "deny jobs/overlap");
    for (const concurrencyPolicy of ["Forbid", "Replace"])
      assert.equal(summary(judge(job(1, "CronJob", { concurrencyPolicy }), policy)), "admit");
  }
  assert.equal(summary(judge(job(1, "CronJob"))), "admit", "where nothing is bounded nothing has to be");
  assert.equal(summary(judge(job(1, "CronJob"), { approvalAbove: { pods: 9 } })), "hold approval/above/pods");
  assert.equal(
    summary(judge(job(1, "CronJob"), { storage: { classes: ["a"] }, quota: { "requests.storage": "1Gi" } })),
    "admit",
    "claims are made once",
  );
});
