import assert from "node:assert/strict";
import { test } from "node:test";
import { closedPolicy } from "../../src/policy/effective.ts";
import { permitRelay, type RelayEnd, type RelayPermission } from "../../src/policy/relay.ts";
import { policyOf } from "./given.ts";

const allowed = policyOf({ relay: { allow: true, maxCarriers: 2 } });

function end(peer: string, more: Partial<RelayEnd> = {}): RelayEnd {
  return { peer, policy: allowed, carriers: 0, ...more };
}

/** The rule for the operator, and the one that whoever asked is told when it is another. */
function said(permission: RelayPermission): string {
  if (permission.allowed) return "yes";
  const { rule, told } = permission;
  return told && told.rule !== rule ? `${rule}, told ${told.rule}` : rule;
}

test("an agent carries only between two peers that a policy allows it for", () => {
  const [a, b] = [end("aachen"), end("berlin")];
  const shut = policyOf();
  assert.equal(said(permitRelay(a, b)), "yes");
  assert.equal(said(permitRelay({ ...a, policy: shut }, b)), "relay/allow");
  assert.equal(said(permitRelay({ ...a, policy: closedPolicy("it is broken") }, b)), "policy/accept");
  assert.equal(said(permitRelay(a, { ...a })), "relay/self");
});

test("who asks for a peer that may not be carried hears the same as for an agent that is none", () => {
  const [a, b] = [end("aachen"), end("berlin")];
  const nobody = permitRelay(a, undefined);
  assert.equal(said(nobody), "relay/target");
  for (const policy of [policyOf(), closedPolicy("it is broken")]) {
    const forbidden = permitRelay(a, { ...b, policy });
    assert.ok(!forbidden.allowed && !nobody.allowed);
    assert.deepEqual(forbidden.told, { rule: nobody.rule, message: nobody.message });
    assert.match(forbidden.message, /berlin/, "the operator here reads which one");
  }
});

test("no relay stands behind another", () => {
  for (const [a, b] of [
    [end("aachen", { through: "hub" }), end("berlin")],
    [end("aachen"), end("berlin", { through: "hub" })],
  ] as const) {
    const refused = permitRelay(a, b);
    assert.equal(said(refused), "relay/chain");
    assert.doesNotMatch(
      (!refused.allowed && refused.told?.message) || "hub",
      /hub/,
      "and which one is nobody's business",
    );
  }
});

test("the bounds of both count", () => {
  const [a, b] = [end("aachen", { carriers: 1 }), end("berlin", { carriers: 1 })];
  assert.equal(said(permitRelay(a, b)), "yes");
  assert.equal(said(permitRelay({ ...a, carriers: 2 }, b)), "relay/carriers");
  const there = permitRelay(a, { ...b, carriers: 2 });
  assert.equal(said(there), "relay/carriers");
  assert.doesNotMatch((!there.allowed && there.told?.message) || "berlin", /berlin|2/);
});

test("a rate is a quantity of bytes, and one that is less than a byte is one", () => {
  const rate = (bytesPerSecond: string | number) =>
    policyOf({ relay: { allow: true, bytesPerSecond } }).relay.bytesPerSecond;
  assert.deepEqual([rate("5M"), rate("1Mi"), rate(1500), rate("10m")], [5_000_000, 1_048_576, 1500, 1]);
  assert.equal(policyOf({ relay: { allow: true } }).relay.bytesPerSecond, undefined);
  const broken = policyOf({ relay: { allow: true, bytesPerSecond: "fast" } });
  assert.deepEqual(
    [broken.relay.allow, broken.problems.length],
    [false, 1],
    "a rate that is none lets nothing through",
  );
});
