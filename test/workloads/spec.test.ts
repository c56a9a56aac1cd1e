import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSpec } from "../../src/workloads/host/spec.ts";

function violations(spec: unknown): string[] {
  const parsed = parseSpec(typeof spec === "string" ? spec : JSON.stringify(spec));
  return parsed.ok ? [] : parsed.refusal.violations.map(({ field, rule }) => `${field} ${rule}`);
}

test("a spec that this host knows is taken", () => {
  const spec = {
    image: "web:1",
    replicas: 0,
    ports: [{ containerPort: 80, appProtocol: "http" }],
    env: [{ name: "A", value: "b" }],
  };
  const parsed = parseSpec(JSON.stringify(spec));
  assert.ok(parsed.ok);
  assert.equal(parsed.app.replicas, 0);
});

test("each field that this host does not know is named by its path, at any depth", () => {
  const spec = {
    image: "a",
    hostNetwork: true,
    ports: [{ containerPort: 80, hostPort: 80 }],
    resources: { claims: [] },
  };
  assert.deepEqual(violations(spec), [
    "hostNetwork unknown-field",
    "ports[0].hostPort unknown-field",
    "resources.claims unknown-field",
  ]);
});

test("wrong types, missing fields and broken rules are refused with their path", () => {
  assert.deepEqual(violations({ image: "a", replicas: "two" }), [" type"]);
  assert.deepEqual(violations({}), ["image required"]);
  assert.deepEqual(violations({ image: "a", replicas: -1 }), ["replicas int32.gte_lte"]);
  assert.deepEqual(violations({ image: "a", ports: [{ containerPort: 70000 }] }), [
    "ports[0].containerPort int32.gte_lte",
  ]);
  assert.deepEqual(violations("not json"), [" json"]);
  assert.deepEqual(violations("[]"), [" json"]);
});

test("what a Deployment could not hold is refused before one is made", () => {
  const twice = {
    image: "a",
    ports: [
      { containerPort: 80, appProtocol: "http" },
      { containerPort: 80, appProtocol: "tcp" },
    ],
  };
  assert.deepEqual(violations(twice), ["ports[1].containerPort unique"]);
  assert.deepEqual(
    violations({
      image: "a",
      ports: [
        { containerPort: 80, appProtocol: "http" },
        { containerPort: 80, appProtocol: "udp" },
      ],
    }),
    [],
  );
  assert.deepEqual(violations({ image: "a", env: [{ name: "A" }, { name: "A" }] }), ["env[1].name unique"]);
  assert.deepEqual(violations({ image: "a", resources: { limits: { cpu: "lots" } } }), [
    "resources.limits[cpu] quantity",
  ]);
  for (const cpu of [["1"], true, { a: 1 }]) {
    assert.deepEqual(violations({ image: "a", resources: { limits: { cpu } } }), ["resources.limits[cpu] quantity"]);
  }
  assert.deepEqual(violations({ image: "a", resources: { requests: { cpu: "-1" } } }), [
    "resources.requests[cpu] quantity",
  ]);
  const over = { requests: { memory: "1Gi" }, limits: { memory: "500M" } };
  assert.deepEqual(violations({ image: "a", resources: over }), ["resources.requests[memory] quantity"]);
});

test("a wish that names a peer is refused here, and not by the cluster later", () => {
  const parsed = parseSpec('{"image":"web:1","peer":"osaka"}');
  assert.deepEqual(parsed.ok ? [] : parsed.refusal.violations.map(({ field }) => field), ["peer"]);
});
