import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { WorkloadSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/workload_pb.ts";
import { fragmentProblems } from "../../src/kube/fragments.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { workloads } from "../../src/kube/resources.ts";

function problems(spec: JsonObject): string[] {
  return fragmentProblems(RemoteAppSpecSchema, spec).map(({ path, rule }) => `${path} ${rule}`);
}

test("a field that Kubernetes' schema does not have is named by its path, however deep it is", () => {
  const spec = {
    livenessProbe: { httpGet: { port: 80, headers: [] } },
    containers: [
      { name: "a" },
      { name: "b", livenessProbe: { gprc: {} }, env: [{ name: "A", valueFrom: { vault: {} } }] },
    ],
    env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "c", key: "k", path: "p" } } }],
    volumes: [{ name: "v", projected: { sources: [{ secret: { name: "s", item: [] } }] } }],
    affinity: { podAffinity: { requiredDuringScheduling: [] } },
  };
  assert.deepEqual(problems(spec).sort(), [
    "affinity.podAffinity.requiredDuringScheduling unknown-field",
    "containers[1].env[0].valueFrom.vault unknown-field",
    "containers[1].livenessProbe.gprc unknown-field",
    "env[0].valueFrom.configMapKeyRef.path unknown-field",
    "livenessProbe.httpGet.headers unknown-field",
    "volumes[0].projected.sources[0].secret.item unknown-field",
  ]);
});

test("a wrong type is named, as is what is missing and what is there twice", () => {
  assert.deepEqual(problems({ startupProbe: { failureThreshold: "3" } }), ["startupProbe.failureThreshold type"]);
  assert.deepEqual(problems({ startupProbe: { failureThreshold: 2.5 } }), ["startupProbe.failureThreshold type"]);
  assert.deepEqual(problems({ startupProbe: { failureThreshold: 2 ** 31 } }), ["startupProbe.failureThreshold type"]);
  assert.deepEqual(problems({ startupProbe: "always" }), ["startupProbe type"]);
  assert.deepEqual(problems({ startupProbe: null }), ["startupProbe type"]);
  assert.deepEqual(problems({ containers: {} }), ["containers type"]);
  assert.deepEqual(problems({ containers: ["a"] }), ["containers[0] type"]);
  assert.deepEqual(problems({ securityContext: { privileged: "true" } }), ["securityContext.privileged type"]);
  assert.deepEqual(problems({ strategy: { type: "BlueGreen" } }), ["strategy.type type"]);
  assert.deepEqual(problems({ strategy: { rollingUpdate: { maxSurge: true } } }), [
    "strategy.rollingUpdate.maxSurge type",
  ]);
  assert.deepEqual(problems({ readinessProbe: { httpGet: {} } }), ["readinessProbe.httpGet.port required"]);
  assert.deepEqual(problems({ containers: [{}] }), ["containers[0].name required"]);
  const labels = { podAffinityTerm: { topologyKey: "z", labelSelector: { matchLabels: { a: 1 } } }, weight: 1 };
  assert.deepEqual(
    problems({ affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [labels] } } }),
    [
      "affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.labelSelector.matchLabels[a] type",
    ],
  );
  assert.deepEqual(problems({ volumes: [{ name: "v" }, { name: "w" }, { name: "v" }] }), ["volumes[2].name unique"]);
  const ports = [{ containerPort: 53 }, { containerPort: 53, protocol: "UDP" }, { containerPort: 53, protocol: "TCP" }];
  assert.deepEqual(problems({ containers: [{ name: "a", ports }] }), ["containers[0].ports[2].containerPort unique"]);
});

test("what Kubernetes has is taken in each of its forms", () => {
  const spec = {
    strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: "25%" } },
    containers: [
      { name: "a", resources: { limits: { cpu: 1, memory: "1Gi" } }, securityContext: { runAsUser: 2 ** 40 } },
    ],
    startupProbe: { grpc: { port: 9000, service: "health" } },
    tolerations: [{ operator: "Exists" }],
    volumes: [{ name: "v", emptyDir: {} }],
  };
  assert.deepEqual(problems(spec), []);
});

test("names that objects have by themselves are no fields", () => {
  const hostile: JsonObject = JSON.parse(
    '{"startupProbe":{"constructor":{},"__proto__":{"exec":{}},"toString":1},"affinity":{"podAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"podAffinityTerm":{"topologyKey":"z","labelSelector":{"matchLabels":{"__proto__":"a"}}}}]}}}',
  );
  assert.equal(problems(hostile).length, 4);
  assert.ok(problems(hostile).every((problem) => problem.endsWith("unknown-field")));
});

test("a stored Workload with a fragment that this agent does not understand says so", () => {
  const app = { image: "web:1", readinessProbe: { http3Get: { port: 80 } } };
  const spec = { app, running: { image: "web:1", containers: [{ name: "a", image: 7 }] } };
  assert.deepEqual(
    fragmentProblems(WorkloadSpecSchema, spec).map(({ path }) => path),
    ["app.readinessProbe.http3Get", "running.containers[0].image"],
  );
  assert.deepEqual(workloads.parse({ metadata: {}, spec }).problems, [
    "spec.app.readinessProbe.http3Get: unknown field",
    "spec.running.containers[0].image: must be a text",
  ]);
});
