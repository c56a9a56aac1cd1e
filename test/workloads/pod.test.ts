import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import { deploymentFor } from "../../src/workloads/host/manifests.ts";
import { nameOfBrought } from "../../src/workloads/host/names.ts";
import type { Plan } from "../../src/workloads/host/plan.ts";
import { templateFor, templateOf } from "../../src/workloads/host/pod.ts";
import { workload } from "./objects.ts";

function planOf(app: JsonObject = {}, more: Partial<Plan> = {}): Plan {
  const asked = workload(app).spec.app ?? assert.fail("A workload has an app.");
  return { app: asked, replicas: 1, isStopped: false, podSecurity: "baseline", nodeSelector: {}, surge: true, ...more };
}

test("an app that was made by an agent of an earlier version is not made anew by this one", () => {
  const app = {
    image: "registry.example/web:2",
    command: ["/bin/web"],
    args: ["serve"],
    env: [{ name: "A", value: "b" }],
    imagePullPolicy: "Always",
    ports: [{ name: "page", containerPort: 8080, appProtocol: "http" }],
    resources: { limits: { cpu: 1, memory: "64Mi" }, requests: { cpu: "500m" } },
  };
  const template = (podSecurity: Plan["podSecurity"]): string =>
    templateOf(workload(), planOf(app, { podSecurity, nodeSelector: { pool: "lent" } }));
  assert.equal(template("baseline"), "b81e9abe45324d56");
  assert.equal(template("restricted"), "0b5cd6c8116f582e");
});

test("pods are made anew when the app is restarted, or its labels or annotations change", () => {
  const plain = templateOf(workload(), planOf());
  const others = [
    planOf({ restartedAt: "2026-11-21T12:00:00Z" }),
    planOf({ podLabels: { a: "b" } }),
    planOf({ podAnnotations: { a: "b" } }),
    planOf({ terminationGracePeriodSeconds: 1 }),
  ].map((plan) => templateOf(workload(), plan));
  assert.equal(new Set([plain, ...others]).size, others.length + 1);
});

test("everywhere in a pod stands the name that what is brought along has here", () => {
  const container = {
    env: [
      { name: "A", valueFrom: { secretKeyRef: { name: "db", key: "password" } } },
      { name: "B", valueFrom: { configMapKeyRef: { name: "db", key: "host" } } },
    ],
    envFrom: [{ configMapRef: { name: "db" } }, { prefix: "S_", secretRef: { name: "db" } }],
  };
  const app = {
    ...container,
    containers: [{ name: "side", image: "a", ...container }],
    initContainers: [{ name: "first", image: "a", ...container }],
    volumes: [
      { name: "a", configMap: { name: "db" } },
      { name: "b", secret: { secretName: "db" } },
      { name: "c", projected: { sources: [{ secret: { name: "db" } }, { configMap: { name: "db" } }] } },
    ],
    imagePullSecrets: [{ name: "db" }],
  };
  const text = JSON.stringify(templateFor(workload(), planOf(app)).spec);
  assert.equal([...text.matchAll(/ame":"db"/g)].length, 0);
  assert.equal([...text.matchAll(/ame":"web-0123456789\.db"/g)].length, 3 * 4 + 4 + 1);
});

test("names of what is brought along differ for different apps and names, and fit", () => {
  const other = workload({}, { name: "web-9876543210" });
  assert.notEqual(nameOfBrought(workload(), "secret", "db"), nameOfBrought(other, "secret", "db"));
  const [long, longer] = ["x".repeat(252), "x".repeat(253)].map((name) => nameOfBrought(workload(), "secret", name));
  assert.notEqual(long, longer);
  for (const name of [long, longer]) assert.match(name ?? "", /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])$/);
});

test("the policy's nodes count above the app's, and the app's labels never above the agent's", () => {
  const plan = planOf({ nodeSelector: { pool: "mine", disk: "ssd" } }, { nodeSelector: { pool: "lent" } });
  const { spec, metadata } = templateFor(workload(), plan);
  assert.deepEqual(spec.nodeSelector, { pool: "lent", disk: "ssd" });
  const forged = planOf({ podLabels: { "fairlead.dev/workload": "other" } });
  assert.equal(
    JSON.stringify(templateFor(workload(), forged).metadata).includes("other"),
    false,
    JSON.stringify(metadata),
  );
});

test("under restricted every container has what the level asks for, unless it says something itself", () => {
  const app = {
    podSecurityContext: { runAsUser: 1000, runAsNonRoot: false },
    securityContext: { capabilities: { add: ["NET_BIND_SERVICE"] } },
    containers: [{ name: "a", image: "a", securityContext: { allowPrivilegeEscalation: true } }],
    initContainers: [{ name: "b", image: "b" }],
  };
  const { spec } = templateFor(workload(), planOf(app, { podSecurity: "restricted" }));
  const contexts = (list: unknown): unknown =>
    Array.isArray(list) ? list.map(({ securityContext }) => securityContext) : list;
  assert.deepEqual(spec.securityContext, {
    runAsNonRoot: false,
    seccompProfile: { type: "RuntimeDefault" },
    runAsUser: 1000,
  });
  assert.deepEqual(contexts(spec.containers), [
    { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } },
    { allowPrivilegeEscalation: true, capabilities: { drop: ["ALL"] } },
  ]);
  assert.deepEqual(contexts(spec.initContainers), [
    { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
  ]);
});

test("a rollout goes as the app says, and as the quota has room for in what it does not say", () => {
  const strategy = (said: JsonObject | undefined, surge: boolean): unknown =>
    deploymentFor(workload(), planOf(said ? { strategy: said } : {}, { surge })).spec?.strategy;
  assert.deepEqual(strategy(undefined, true), {
    type: "RollingUpdate",
    rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" },
  });
  assert.deepEqual(strategy({}, false), { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } });
  assert.deepEqual(strategy({ type: "Recreate" }, false), { type: "Recreate" });
  assert.deepEqual(strategy({ rollingUpdate: { maxUnavailable: "50%" } }, false), {
    type: "RollingUpdate",
    rollingUpdate: { maxSurge: 0, maxUnavailable: "50%" },
  });
  assert.deepEqual(strategy({ rollingUpdate: { maxUnavailable: 0 } }, false), {
    type: "RollingUpdate",
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
  });
});
