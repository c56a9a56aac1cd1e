import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../../src/kube/object.ts";
import type { Deployment, NetworkPolicy } from "../../src/kube/resources.ts";
import { additions } from "../../src/workloads/host/additions.ts";
import { appliedOf, differences, isDrifted } from "../../src/workloads/host/drift.ts";
import { deploymentFor, networkPolicyOf, serviceFor } from "../../src/workloads/host/manifests.ts";
import { objectName, peerNamespace } from "../../src/workloads/host/names.ts";
import type { Plan } from "../../src/workloads/host/plan.ts";
import { templateOf } from "../../src/workloads/host/pod.ts";
import { deployment, workload } from "./objects.ts";

function planOf(app: JsonObject = {}, policy: Partial<Plan> = {}): Plan {
  const asked = workload(app).spec.app;
  if (!asked) throw new Error("A workload has an app.");
  const plain = { isStopped: false, podSecurity: "baseline", nodeSelector: {}, surge: true } as const;
  return { app: asked, replicas: asked.replicas ?? 1, ...plain, ...policy };
}

test("names are DNS labels that a Service may bear, bounded, and differ for different apps", () => {
  const part = fc.stringMatching(/^[a-z0-9]([-a-z0-9.]{0,60}[a-z0-9])?$/);
  fc.assert(
    fc.property(part, part, fc.uuid(), fc.uuid(), (namespace, name, uid, other) => {
      const called = objectName({ namespace, name, uid });
      assert.match(called, /^[a-z]([-a-z0-9]*[a-z0-9])?$/);
      assert.ok(called.length <= 52);
      assert.equal(objectName({ namespace, name, uid }), called);
      if (uid !== other) assert.notEqual(objectName({ namespace, name, uid: other }), called);
    }),
  );
  assert.notEqual(
    objectName({ namespace: "a", name: "b-c", uid: "d" }),
    objectName({ namespace: "a-b", name: "c", uid: "d" }),
  );
  assert.ok(peerNamespace("x".repeat(49)).length <= 63);
});

test("pods have no service account token and no links to Services, and belong to their Workload", () => {
  const { spec, metadata } = deploymentFor(workload(), planOf());
  const pod = spec?.template.spec;
  assert.equal(pod?.automountServiceAccountToken, false);
  assert.equal(pod?.enableServiceLinks, false);
  assert.deepEqual(spec?.selector.matchLabels, { "fairlead.dev/workload": "web-0123456789" });
  assert.equal(spec?.template.metadata?.labels?.["fairlead.dev/workload"], "web-0123456789");
  const [owner] = metadata.ownerReferences ?? [];
  assert.deepEqual(
    [owner?.kind, owner?.uid, owner?.controller, owner?.blockOwnerDeletion],
    ["Workload", "w-1", true, true],
  );
});

test("what is planned is run, not what is asked; quantities are as they were written", () => {
  const app = { replicas: 7, resources: { limits: { cpu: 1, memory: "64Mi" }, requests: { cpu: "500m" } } };
  const { spec } = deploymentFor(workload({ image: "asked:2" }), planOf(app, { replicas: 0 }));
  assert.equal(spec?.replicas, 0);
  assert.equal(spec?.template.spec?.containers[0]?.image, "web:1");
  assert.deepEqual(spec?.template.spec?.containers[0]?.resources, {
    limits: { cpu: "1", memory: "64Mi" },
    requests: { cpu: "500m" },
  });
});

test("a Service names each port, and an app without ports has none", () => {
  assert.equal(serviceFor(workload(), planOf().app), undefined);
  const ports = [
    { containerPort: 80 },
    { containerPort: 80, appProtocol: "udp" },
    { name: "grpc", containerPort: 9000, appProtocol: "h2c" },
    { containerPort: 5432, appProtocol: "tcp" },
  ];
  const service = serviceFor(workload(), planOf({ ports }).app);
  assert.deepEqual(
    service?.spec?.ports?.map(({ name, port, protocol, appProtocol }) => [name, port, protocol, appProtocol]),
    [
      ["http-80", 80, "TCP", "http"],
      ["udp-80", 80, "UDP", undefined],
      ["grpc", 9000, "TCP", "kubernetes.io/h2c"],
      ["tcp-5432", 5432, "TCP", undefined],
    ],
  );
});

test("the template's hash changes with what a pod is made of, and not with the number of pods", () => {
  assert.equal(
    templateOf(workload(), planOf({}, { replicas: 5, surge: false })),
    templateOf(workload(), planOf({}, { replicas: 1 })),
  );
  assert.notEqual(templateOf(workload(), planOf({ image: "web:2" })), templateOf(workload(), planOf()));
  assert.notEqual(templateOf(workload(), planOf({}, { podSecurity: "restricted" })), templateOf(workload(), planOf()));
  assert.notEqual(
    templateOf(workload(), planOf({}, { nodeSelector: { pool: "lent" } })),
    templateOf(workload(), planOf()),
  );
});

test("an edit by anybody is drift, a change of status is none", () => {
  const manifest = deploymentFor(workload(), planOf());
  const found: Deployment = {
    ...deployment({}, 3),
    metadata: { ...deployment({}, 3).metadata, uid: "d-1", labels: { a: "b" } },
  };
  const withStatus: Deployment = { ...found, status: { replicas: 9 } };
  const applied = appliedOf(manifest, found);
  assert.equal(isDrifted(manifest, applied, found), false);
  assert.equal(isDrifted(manifest, applied, withStatus), false);
  assert.equal(isDrifted(manifest, undefined, found), true, "nothing was applied yet");
  assert.equal(isDrifted(manifest, applied, undefined), true, "deleted");
  assert.equal(
    isDrifted(manifest, applied, { ...found, metadata: { ...found.metadata, generation: 4 } }),
    true,
    "edited",
  );
  assert.equal(
    isDrifted(manifest, applied, { ...found, metadata: { ...found.metadata, uid: "d-2" } }),
    true,
    "made anew",
  );
  assert.equal(isDrifted(manifest, applied, { ...found, metadata: { ...found.metadata, labels: {} } }), true, "labels");
  assert.equal(isDrifted(deploymentFor(workload(), planOf({ replicas: 3 })), applied, found), true, "the wish changed");
});

test("containers, volumes and rights that somebody added are found, defaults are not", () => {
  const manifest = deploymentFor(workload(), planOf());
  const own = { name: "app", image: "web:1", terminationMessagePath: "/dev/termination-log" };
  const spec = { containers: [own], restartPolicy: "Always", serviceAccountName: "default" };
  const made = { ...deployment(), spec: { selector: {}, template: { spec } } };
  assert.deepEqual(additions(manifest, made), []);
  const altered = {
    ...spec,
    containers: [own, { name: "miner" }],
    volumes: [{ name: "host" }],
    hostNetwork: true,
    serviceAccountName: "agent",
  };
  assert.deepEqual(additions(manifest, { ...made, spec: { selector: {}, template: { spec: altered } } }), [
    "containers[miner]",
    "serviceAccountName",
    "volumes",
    "hostNetwork",
  ]);
});

test("under restricted pods have the security context that the level asks for; under baseline images may run as root", () => {
  const podOf = (podSecurity: Plan["podSecurity"]) =>
    deploymentFor(workload(), planOf({}, { podSecurity })).spec?.template.spec;
  const [restricted, baseline] = [podOf("restricted"), podOf("baseline")];
  const seccompProfile = { type: "RuntimeDefault" };
  assert.deepEqual(restricted?.securityContext, { runAsNonRoot: true, seccompProfile });
  assert.deepEqual(restricted?.containers[0]?.securityContext, {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
  });
  assert.deepEqual(baseline?.securityContext, { seccompProfile });
  assert.equal(baseline?.containers[0]?.securityContext, undefined);
});

test("pods run on the nodes that the policy names", () => {
  const of = (nodeSelector: Record<string, string>) =>
    deploymentFor(workload(), planOf({}, { nodeSelector })).spec?.template.spec?.nodeSelector;
  assert.deepEqual(of({ pool: "lent" }), { pool: "lent" });
  assert.equal(of({}), undefined);
});

test("where the quota has no room for one pod more, a rollout ends one before it starts the next", () => {
  const of = (surge: boolean) => deploymentFor(workload(), planOf({}, { surge })).spec?.strategy?.rollingUpdate;
  assert.deepEqual(of(false), { maxSurge: 0, maxUnavailable: 1 });
  assert.deepEqual(of(true), { maxSurge: "25%", maxUnavailable: "25%" });
});

test("the NetworkPolicy of an app is about its own pods, both ways, and belongs to its Workload", () => {
  const { metadata, spec } = networkPolicyOf(workload());
  const pods = { podSelector: { matchLabels: { "fairlead.dev/workload": "web-0123456789" } } };
  assert.deepEqual(spec, {
    ...pods,
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: [pods] }],
    egress: [{ to: [pods] }],
  });
  assert.deepEqual(
    [metadata.name, metadata.ownerReferences?.[0]?.uid, metadata.labels?.["app.kubernetes.io/managed-by"]],
    ["web-0123456789", "w-1", "fairlead"],
  );
});

test("what somebody added to a spec is a difference, what an API server leaves out of it is none", () => {
  const closed: NetworkPolicy = { metadata: {}, spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [] } };
  const stored: NetworkPolicy = { metadata: { uid: "n" }, spec: { podSelector: {}, policyTypes: ["Ingress"] } };
  assert.deepEqual(differences(closed, stored), []);
  assert.deepEqual(differences(closed, { ...stored, spec: { podSelector: {}, ingress: [{}] } }), [
    "policyTypes",
    "ingress",
  ]);
  assert.deepEqual(differences(stored, { metadata: {}, spec: { ...stored.spec, egress: [{}] } }), ["egress"]);
});
