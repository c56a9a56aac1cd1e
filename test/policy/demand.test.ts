import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../../src/kube/object.ts";
import { demandOf, totalOf } from "../../src/policy/demand.ts";
import { containerDefaults } from "../../src/policy/pod-defaults.ts";
import { type Amounts, formatQuantity, wholeQuantity } from "../../src/policy/quantity.ts";
import { appOf, policyOf } from "./given.ts";

function shown(amounts: Amounts): Record<string, string> {
  return Object.fromEntries([...amounts].map(([name, quantity]) => [name, formatQuantity(quantity, name)]));
}

function podOf(resources: JsonObject, pod: JsonObject = {}) {
  const demand = demandOf(appOf({ resources }), policyOf({ workloads: { pod } }));
  return { requests: shown(demand.pod.requests), limits: shown(demand.pod.limits) };
}

test("what a container does not say is filled in as the cluster fills it in", () => {
  // test/contract/enforcement.e2e.ts asks a real API server.
  assert.deepEqual(podOf({}), { requests: {}, limits: {} });
  assert.deepEqual(podOf({ limits: { cpu: 2 } }), { requests: { cpu: "2" }, limits: { cpu: "2" } });
  assert.deepEqual(podOf({ requests: { cpu: 1 } }), { requests: { cpu: "1" }, limits: {} });
  const pod = { max: { cpu: 4 }, defaultLimits: { cpu: 2 }, defaultRequests: { cpu: "500m" } };
  assert.deepEqual(podOf({}, pod), { requests: { cpu: "500m" }, limits: { cpu: "2" } });
  assert.deepEqual(podOf({ limits: { cpu: 1 } }, pod), { requests: { cpu: "1" }, limits: { cpu: "1" } });
  assert.deepEqual(podOf({ requests: { cpu: 1 } }, pod), { requests: { cpu: "1" }, limits: { cpu: "2" } });
  assert.deepEqual(podOf({}, { max: { memory: "1Gi" } }), { requests: { memory: "1Gi" }, limits: { memory: "1Gi" } });
  assert.deepEqual(podOf({}, { defaultRequests: { cpu: 1 } }), { requests: { cpu: "1" }, limits: {} });
});

test("a default that is above the most is the most, as no cluster takes another", () => {
  const pod = { max: { cpu: 1 }, defaultLimits: { cpu: 4 }, defaultRequests: { cpu: 2 } };
  assert.deepEqual(podOf({}, pod), { requests: { cpu: "1" }, limits: { cpu: "1" } });
});

test("defaults are always in order: request, limit, most", () => {
  const amounts = fc
    .dictionary(fc.constantFrom("cpu", "memory"), fc.integer({ min: 0, max: 9 }).map(wholeQuantity))
    .map((record) => new Map(Object.entries(record)));
  fc.assert(
    fc.property(amounts, amounts, amounts, (max, defaultRequests, defaultLimits) => {
      const { requests, limits } = containerDefaults({ max, defaultRequests, defaultLimits });
      for (const [name, limit] of limits) assert.ok(limit <= (max.get(name) ?? limit));
      for (const [name, request] of requests) assert.ok(request <= (limits.get(name) ?? request));
      for (const name of max.keys()) assert.ok(limits.has(name) && requests.has(name));
    }),
  );
});

test("the total is that of all replicas, by the names of a quota", () => {
  const app = appOf({ replicas: 3, resources: { limits: { memory: "1Gi" }, requests: { cpu: "100m" } } });
  assert.deepEqual(
    Object.fromEntries([...demandOf(app, policyOf()).total].map(([name, q]) => [name, formatQuantity(q, name)])),
    {
      pods: "3",
      "requests.cpu": "300m",
      "requests.memory": "3Gi",
      "limits.memory": "3Gi",
    },
  );
  assert.deepEqual([...demandOf(appOf(), policyOf()).total], [["pods", wholeQuantity(1)]], "one replica unless said");
  assert.deepEqual([...demandOf(appOf({ replicas: 0 }), policyOf()).total], [["pods", 0n]]);
});

test("what is finer than a thousandth counts as one for each pod, as the API server stores it", () => {
  const app = appOf({ replicas: 100, resources: { requests: { cpu: "0.0000000001" }, limits: { memory: "1.0001" } } });
  const { total } = demandOf(app, policyOf());
  assert.equal(formatQuantity(total.get("requests.cpu") ?? 0n, "cpu"), "100m");
  assert.equal(formatQuantity(total.get("limits.memory") ?? 0n, "memory"), "100100m");
});

test("claims count by number and size, whatever the replicas", () => {
  const size = wholeQuantity(5);
  const claims = [{ class: "standard", size }, { size }];
  const total = totalOf({ pods: 0, requests: new Map(), limits: new Map(), claims, eachClaim: 1 });
  assert.equal(total.get("persistentvolumeclaims"), wholeQuantity(2));
  assert.equal(total.get("requests.storage"), wholeQuantity(10));
});

test("who says a limit has said a request, and a default says nothing", () => {
  const pod = { max: { "ephemeral-storage": "1Gi" } };
  const { containers } = demandOf(
    appOf({ resources: { limits: { memory: 1 }, requests: { cpu: 1 } } }),
    policyOf({ workloads: { pod } }),
  );
  assert.deepEqual([...(containers[0]?.stated.requests ?? [])].sort(), ["cpu", "memory"]);
  assert.deepEqual([...(containers[0]?.stated.limits ?? [])], ["memory"]);
});
