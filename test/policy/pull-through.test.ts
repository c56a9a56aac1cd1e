import assert from "node:assert/strict";
import { test } from "node:test";
import { appOf, ask, policyOf } from "./given.ts";

const brought = appOf({ imagePull: "ThroughOrigin" });
const letting = policyOf({ workloads: { pullThrough: true } });
const rules = (verdict: ReturnType<typeof ask>): string =>
  [verdict.decision, ...verdict.findings.map(({ rule }) => rule)].join(" ");

test("a peer brings images itself only where its policy lets it, and where nodes have a way for them", () => {
  assert.equal(rules(ask(brought, { policy: letting })), "admit");
  assert.equal(rules(ask(brought, { policy: policyOf() })), "deny images/pull-through");
  const without = ask(brought, { policy: letting, hasImageDoor: false });
  assert.equal(rules(without), "deny images/no-door");
  assert.match(without.findings[0]?.message ?? "", /images\.enabled in the chart/);
  assert.equal(without.findings[0]?.field, "imagePull");
  assert.equal(rules(ask(appOf(), { hasImageDoor: false })), "admit");
});

test("what runs goes on when the way for its images is gone, and nothing new of it begins", () => {
  const given = { policy: letting, hasImageDoor: false, running: brought };
  assert.equal(rules(ask(brought, given)), "admit");
  const next = appOf({ imagePull: "ThroughOrigin", image: "web:2" });
  assert.equal(rules(ask(next, given)), "deny images/no-door");
  // That the policy no longer lets it, is another thing.
  assert.equal(rules(ask(brought, { ...given, policy: policyOf() })), "deny images/pull-through");
});
