/** Specs that a peer sends to keep the agent from everything else while it judges them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSpec } from "../../src/workloads/host/spec.ts";

function rulesOf(spec: unknown): string[] {
  const parsed = parseSpec(JSON.stringify(spec));
  return parsed.ok ? [] : parsed.refusal.violations.map(({ rule }) => rule);
}

test("a spec beyond the bound is not even parsed", () => {
  assert.deepEqual(rulesOf({ image: "a", args: ["x".repeat(262_144)] }), ["max_bytes"]);
});

test("the items of an endless list are not judged one by one", () => {
  const env = Array.from({ length: 8_000 }, (_, number) => ({ name: `K ${number}`, value: "v" }));
  assert.deepEqual(rulesOf({ image: "a", env }), ["max_items"]);
});

test("a quantity of endless digits is none", () => {
  assert.deepEqual(rulesOf({ image: "a", resources: { limits: { cpu: "9".repeat(200_000) } } }), ["quantity"]);
});

test("a resource by the name of a prototype is refused, not lost", () => {
  const parsed = parseSpec('{"image":"a","resources":{"limits":{"__proto__":"1","cpu":"1"}}}');
  assert.equal(parsed.ok, false);
});
