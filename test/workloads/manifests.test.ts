import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { additions, appliedOf, isDrifted } from "../../src/workloads/host/drift.ts";
import { deploymentFor, serviceFor, templateOf } from "../../src/workloads/host/manifests.ts";
import { objectName, peerNamespace } from "../../src/workloads/host/names.ts";
import { deployment, workload } from "./objects.ts";

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
  const { spec, metadata } = deploymentFor(workload());
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

test("replicas 0 stays 0, and quantities are as they were written", () => {
  const app = { replicas: 0, resources: { limits: { cpu: 1, memory: "64Mi" }, requests: { cpu: "500m" } } };
  const { spec } = deploymentFor(workload(app));
  assert.equal(spec?.replicas, 0);
  assert.deepEqual(spec?.template.spec?.containers[0]?.resources, {
    limits: { cpu: "1", memory: "64Mi" },
    requests: { cpu: "500m" },
  });
});

test("a Service names each port, and an app without ports has none", () => {
  assert.equal(serviceFor(workload()), undefined);
  const ports = [
    { containerPort: 80 },
    { containerPort: 80, appProtocol: "udp" },
    { name: "grpc", containerPort: 9000, appProtocol: "h2c" },
    { containerPort: 5432, appProtocol: "tcp" },
  ];
  const service = serviceFor(workload({ ports }));
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
  assert.equal(templateOf(workload({ replicas: 5 })), templateOf(workload({ replicas: 1 })));
  assert.notEqual(templateOf(workload({ image: "web:2" })), templateOf(workload()));
});

test("an edit by anybody is drift, a change of status is none", () => {
  const manifest = deploymentFor(workload());
  const found = { ...deployment({}, 3), metadata: { ...deployment({}, 3).metadata, uid: "d-1", labels: { a: "b" } } };
  const applied = appliedOf(manifest, found);
  assert.equal(isDrifted(manifest, applied, found), false);
  assert.equal(isDrifted(manifest, applied, { ...found, status: { replicas: 9 } }), false);
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
  assert.equal(isDrifted(deploymentFor(workload({ replicas: 3 })), applied, found), true, "the wish changed");
});

test("containers, volumes and rights that somebody added are found, defaults are not", () => {
  const manifest = deploymentFor(workload());
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
    "container miner",
    "volume host",
    "hostNetwork",
    "service account agent",
  ]);
});
