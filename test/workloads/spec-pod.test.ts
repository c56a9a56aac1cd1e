import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject, JsonValue } from "../../src/kube/object.ts";
import { parseSpec } from "../../src/workloads/host/spec.ts";

function violations(spec: JsonObject): string[] {
  const parsed = parseSpec(JSON.stringify({ image: "web:1", ...spec }));
  return parsed.ok ? [] : parsed.refusal.violations.map(({ field, rule }) => `${field} ${rule}`);
}

const sidecar = (fields: JsonObject): JsonObject => ({ containers: [{ name: "side", image: "side:1", ...fields }] });

test("containers have images and names of their own, and none is called as the app's", () => {
  assert.deepEqual(violations({ containers: [{ name: "side" }] }), ["containers[0].image required"]);
  assert.deepEqual(violations({ containers: [{ name: "app", image: "a" }] }), ["containers[0].name unique"]);
  const both = { containers: [{ name: "side", image: "a" }], initContainers: [{ name: "side", image: "a" }] };
  assert.deepEqual(violations(both), ["initContainers[0].name unique"]);
  assert.deepEqual(violations(sidecar({})), []);
});

test("no volume reaches what is the host's or another app's", () => {
  const kinds = {
    hostPath: { path: "/" },
    nfs: { path: "/", server: "a" },
    csi: { driver: "a" },
    ephemeral: {},
    iscsi: { iqn: "a", lun: 0, targetPortal: "b" },
    image: { reference: "a" },
    gitRepo: { repository: "a" },
  };
  for (const [kind, source] of Object.entries(kinds)) {
    assert.deepEqual(violations({ volumes: [{ name: "v", [kind]: source }] }), [`volumes[0].${kind} forbidden`]);
  }
  const token = { projected: { sources: [{ downwardAPI: {} }, { serviceAccountToken: { path: "t" } }] } };
  assert.deepEqual(violations({ volumes: [{ name: "v", ...token }] }), [
    "volumes[0].projected.sources[1].serviceAccountToken forbidden",
  ]);
  assert.deepEqual(violations({ volumes: [{ name: "v", emptyDir: {}, downwardAPI: {} }] }), ["volumes[0] oneof"]);
  assert.deepEqual(violations({ volumes: [{ name: "v", emptyDir: { medium: "Memory" } }, { name: "w" }] }), []);
});

test("pods refer to what the app brings along and to nothing else, wherever a reference can stand", () => {
  const optional = true;
  const spec = {
    env: [
      { name: "A", valueFrom: { secretKeyRef: { name: "agent", key: "key", optional } } },
      { name: "B", valueFrom: { configMapKeyRef: { key: "key" } } },
      { name: "C", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    ],
    initContainers: [{ name: "first", image: "a", envFrom: [{ secretRef: { name: "agent", optional } }] }],
    volumes: [
      { name: "a", configMap: { name: "other", optional } },
      { name: "b", secret: { secretName: "agent", optional } },
      { name: "c", projected: { sources: [{ secret: { name: "agent" } }, { configMap: { name: "other" } }] } },
      { name: "d", persistentVolumeClaim: { claimName: "data-of-others" } },
    ],
  };
  assert.deepEqual(violations(spec), [
    "env[0].valueFrom.secretKeyRef.name reference",
    "env[1].valueFrom.configMapKeyRef.name reference",
    "initContainers[0].envFrom[0].secretRef.name reference",
    "volumes[0].configMap.name reference",
    "volumes[1].secret.secretName reference",
    "volumes[2].projected.sources[0].secret.name reference",
    "volumes[2].projected.sources[1].configMap.name reference",
    "volumes[3].persistentVolumeClaim.claimName reference",
  ]);
});

test("a variable has one source, and none beside its value", () => {
  const from = (valueFrom: JsonValue): string[] => violations({ env: [{ name: "A", valueFrom }] });
  assert.deepEqual(from({}), ["env[0].valueFrom oneof"]);
  assert.deepEqual(from({ fieldRef: { fieldPath: "metadata.name" }, resourceFieldRef: { resource: "limits.cpu" } }), [
    "env[0].valueFrom oneof",
  ]);
  assert.deepEqual(from({ fileKeyRef: { key: "a", path: "b", volumeName: "c" } }), [
    "env[0].valueFrom.fileKeyRef forbidden",
  ]);
  const both = { name: "A", value: "a", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } };
  assert.deepEqual(violations(sidecar({ env: [both] })), ["containers[0].env[0].valueFrom oneof"]);
});

test("what is mounted is declared", () => {
  const mount = (name: string): JsonObject => ({ volumeMounts: [{ name, mountPath: "/data" }] });
  const volumes = [{ name: "scratch", emptyDir: {} }];
  assert.deepEqual(violations({ volumes, ...mount("scratch"), ...sidecar(mount("scratch")) }), []);
  assert.deepEqual(violations({ volumes, ...mount("other"), ...sidecar(mount("another")) }), [
    "volumeMounts[0].name reference",
    "containers[0].volumeMounts[0].name reference",
  ]);
  assert.deepEqual(violations(sidecar({ volumeDevices: [{ name: "disk", devicePath: "/dev/xvda" }] })), [
    "containers[0].volumeDevices[0].name reference",
  ]);
});

test("no container takes a port of the node, and none is asked on another host", () => {
  assert.deepEqual(violations(sidecar({ ports: [{ containerPort: 1, hostPort: 1, hostIP: "0.0.0.0" }] })), [
    "containers[0].ports[0].hostPort forbidden",
    "containers[0].ports[0].hostIP forbidden",
  ]);
  assert.deepEqual(violations({ livenessProbe: { httpGet: { port: 80, host: "169.254.169.254" } } }), [
    "livenessProbe.httpGet.host forbidden",
  ]);
  assert.deepEqual(violations({ lifecycle: { postStart: { tcpSocket: { port: 80, host: "" } } } }), [
    "lifecycle.postStart.tcpSocket.host forbidden",
  ]);
});

test("a probe has one way to ask, on a port that its own container has", () => {
  const ports = [
    { name: "page", containerPort: 8080, appProtocol: "http" },
    { containerPort: 9000, appProtocol: "h2c" },
  ];
  for (const port of ["page", "h2c-9000", 8080, "8080"]) {
    assert.deepEqual(violations({ ports, readinessProbe: { httpGet: { port } } }), []);
  }
  assert.deepEqual(violations({ ports, readinessProbe: { httpGet: { port: "admin" } } }), [
    "readinessProbe.httpGet.port reference",
  ]);
  assert.deepEqual(violations({ ports, ...sidecar({ startupProbe: { tcpSocket: { port: "page" } } }) }), [
    "containers[0].startupProbe.tcpSocket.port reference",
  ]);
  assert.deepEqual(violations({ livenessProbe: { periodSeconds: 3 } }), ["livenessProbe oneof"]);
  assert.deepEqual(violations({ lifecycle: { preStop: {} } }), ["lifecycle.preStop oneof"]);
});

test("a container before the others has probes and hooks only when it runs on beside them", () => {
  const first = (fields: JsonObject): JsonObject => ({ initContainers: [{ name: "first", image: "a", ...fields }] });
  const livenessProbe = { exec: { command: ["true"] } };
  assert.deepEqual(violations(first({ livenessProbe, lifecycle: {} })), [
    "initContainers[0].livenessProbe kind",
    "initContainers[0].lifecycle kind",
  ]);
  assert.deepEqual(violations(first({ livenessProbe, restartPolicy: "Always" })), []);
  assert.deepEqual(violations(first({ restartPolicy: "Never" })), ["initContainers[0].restartPolicy forbidden"]);
  assert.deepEqual(violations(sidecar({ restartPolicy: "Always" })), ["containers[0].restartPolicy forbidden"]);
});

test("pods keep near to and away from pods of their own peer only", () => {
  const term = (fields: JsonObject): JsonObject => ({
    podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: "node", ...fields }] },
  });
  const at = "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
  assert.deepEqual(violations({ affinity: term({ namespaces: ["kube-system"] }) }), [`${at}.namespaces forbidden`]);
  assert.deepEqual(violations({ affinity: term({ namespaceSelector: {} }) }), [`${at}.namespaceSelector forbidden`]);
  const labelSelector = { matchLabels: { namespaces: "a" } };
  assert.deepEqual(violations({ affinity: term({ labelSelector }) }), []);
});

test("labels and annotations by which others tell what a pod is are not the app's to set", () => {
  const keys = [
    "app.kubernetes.io/name",
    "pod-security.kubernetes.io/enforce",
    "k8s.io/a",
    "a.b.k8s.io/c",
    "fairlead.dev/workload",
  ];
  for (const key of keys) {
    assert.deepEqual(violations({ podLabels: { [key]: "a" } }), [`podLabels[${key}] forbidden`]);
    assert.deepEqual(violations({ podAnnotations: { [key]: "a" } }), [`podAnnotations[${key}] forbidden`]);
  }
  assert.deepEqual(violations({ podLabels: { tier: "front", "example.com/a": "", "notkubernetes.io/b": "c" } }), []);
  assert.deepEqual(violations({ podLabels: { tier: "two words" } }), ["podLabels[tier] syntax"]);
  assert.deepEqual(violations({ podLabels: { "a/b/c": "d" } }), ["podLabels[a/b/c] syntax"]);
  assert.deepEqual(violations({ podAnnotations: { note: "two words", "two words": "" } }), [
    "podAnnotations[two words] syntax",
  ]);
});

test("quantities of every container are judged", () => {
  assert.deepEqual(violations(sidecar({ resources: { limits: { cpu: "lots" } } })), [
    "containers[0].resources.limits[cpu] quantity",
  ]);
  assert.deepEqual(violations(sidecar({ resources: { requests: { cpu: 2 }, limits: { cpu: "1" } } })), [
    "containers[0].resources.requests[cpu] quantity",
  ]);
});

test("a CronJob has a schedule, and only what runs to an end has the fields of a Job", () => {
  assert.deepEqual(violations({ kind: "DaemonSet" }), ["kind string.in"]);
  assert.deepEqual(violations({ kind: "CronJob" }), ["cronJob required"]);
  const cronJob = { schedule: "0 3 * * *" };
  assert.deepEqual(violations({ kind: "CronJob", cronJob, job: {}, restartPolicy: "OnFailure" }), []);
  assert.deepEqual(violations({ kind: "Job", cronJob }), ["cronJob kind"]);
  assert.deepEqual(violations({ job: {}, restartPolicy: "OnFailure" }), ["job kind", "restartPolicy kind"]);
  assert.deepEqual(violations({ kind: "CronJob", cronJob, restartedAt: "2026-11-21T12:00:00Z" }), ["restartedAt kind"]);
});

test("a field that means nothing for the kind is refused", () => {
  assert.deepEqual(violations({ updateStrategy: { type: "OnDelete" }, podManagementPolicy: "Parallel" }), [
    "updateStrategy kind",
    "podManagementPolicy kind",
  ]);
  assert.deepEqual(violations({ kind: "StatefulSet", strategy: { type: "Recreate" }, paused: true }), [
    "strategy kind",
    "paused kind",
  ]);
  const fields = { updateStrategy: { type: "OnDelete" }, podManagementPolicy: "Parallel", minReadySeconds: 3 };
  assert.deepEqual(violations({ kind: "StatefulSet", ...fields }), []);
});

test("a claim says how much it needs and takes nobody's volume", () => {
  const claim = (spec: JsonObject): string[] => violations({ claims: [{ name: "data", spec }] });
  const resources = { requests: { storage: "1Gi" } };
  assert.deepEqual(claim({ resources, accessModes: ["ReadWriteMany"], storageClassName: "fast" }), []);
  assert.deepEqual(claim({ accessModes: ["ReadWriteOnce"] }), ["claims[0].spec.resources.requests.storage required"]);
  for (const storage of ["0", "-1Gi", "much"]) {
    assert.deepEqual(claim({ resources: { requests: { storage } } }), [
      "claims[0].spec.resources.requests.storage quantity",
    ]);
  }
  const taking = {
    volumeName: "pv-of-others",
    selector: {},
    dataSource: { kind: "PersistentVolumeClaim", name: "data-of-others" },
    dataSourceRef: { kind: "VolumeSnapshot", name: "a", namespace: "b" },
    volumeAttributesClassName: "gold",
  };
  for (const [field, value] of Object.entries(taking)) {
    assert.deepEqual(claim({ resources, [field]: value }), [`claims[0].spec.${field} forbidden`]);
  }
  const twice = { claims: [0, 1].map(() => ({ name: "data", spec: { resources } })) };
  assert.deepEqual(violations(twice), ["claims[1].name unique"]);
});

test("a StatefulSet mounts its claims by their names, and all else by volumes", () => {
  const claims = [{ name: "data", spec: { resources: { requests: { storage: "1Gi" } } } }];
  const volumeMounts = [{ name: "data", mountPath: "/data" }];
  const volumes = [{ name: "data", persistentVolumeClaim: { claimName: "data" } }];
  assert.deepEqual(violations({ kind: "StatefulSet", claims, volumeMounts }), []);
  assert.deepEqual(violations({ claims, volumeMounts }), ["volumeMounts[0].name reference"]);
  assert.deepEqual(violations({ claims, volumeMounts, volumes }), []);
  assert.deepEqual(violations({ kind: "StatefulSet", claims, volumeMounts, volumes }), ["volumes[0].name unique"]);
  const other = [{ name: "disk", persistentVolumeClaim: { claimName: "data" } }];
  assert.deepEqual(violations({ kind: "StatefulSet", claims, volumeMounts, volumes: other }), [
    "volumes[0].persistentVolumeClaim kind",
  ]);
});
