import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { JoinRefusal_Reason as Refusal } from "../../src/gen/fairlead/peer/v1/pairing_pb.ts";
import { WorkloadOriginSchema } from "../../src/gen/fairlead/resources/v1alpha1/workload_pb.ts";
import { boundFacts } from "../../src/peering/directory.ts";
import type { InviteClaim, InviteRecord } from "../../src/peering/invite-record.ts";
import { parseInviteRecord } from "../../src/peering/invite-record.ts";
import { checkGrantsAndLabels, findFreeName, isPeerName, toPeerName } from "../../src/peering/peer-name.ts";
import { judgeRedeem } from "../../src/peering/redeem.ts";

const hash = "ab".repeat(32);
const record: InviteRecord = {
  id: hash.slice(0, 10),
  tokenHash: hash,
  grants: ["apps"],
  labels: { tier: "edge" },
  urls: ["ws://a/link"],
  createdAt: 0,
  expiresAt: 1_000,
  confirm: false,
  reuseName: false,
};
const joiner = { fingerprint: "f1", name: "berlin", words: "a-b-c-d", at: 500 };
const stranger = { isPeer: false };

function verdict(
  change: Partial<InviteRecord>,
  known: { isPeer: boolean; removedAt?: number } = stranger,
  at = 500,
): string {
  const judged = judgeRedeem({ ...record, ...change }, hash, { ...joiner, at }, known);
  if (judged.kind !== "refuse") return judged.kind;
  return Object.entries(Refusal).find(([, value]) => value === judged.reason)?.[0] ?? "?";
}

test("an invite is redeemed once, resumed by its holder, and refused to everybody else by name", () => {
  const mine: InviteClaim = { ...joiner, at: 400 };
  const theirs: InviteClaim = { ...mine, fingerprint: "f2" };
  assert.equal(verdict({}), "claim");
  assert.equal(verdict({ claim: mine }), "resume");
  assert.equal(verdict({ claim: theirs }), "USED");
  assert.equal(verdict({ tokenHash: "cd".repeat(32) }), "UNKNOWN");
  assert.equal(verdict({}, stranger, 1_000), "EXPIRED");
  assert.equal(verdict({ revoked: true }), "REVOKED");
  assert.equal(verdict({ claim: { ...mine, decision: "declined" } }), "DECLINED");
  assert.equal(verdict({ claim: { ...mine, decision: "accepted" } }), "resume");
  assert.equal(verdict({ claim: { ...mine, joinedAs: "berlin" } }, { isPeer: true }, 9_999), "resume");
  assert.equal(verdict({ claim: { ...mine, joinedAs: "berlin" } }), "USED", "it was a peer and is none any more");
  assert.equal(verdict({ claim: mine }, { isPeer: false, removedAt: 450 }), "USED");
  assert.equal(verdict({ claim: mine }, { isPeer: false, removedAt: 300 }), "resume");
  assert.equal(judgeRedeem(undefined, hash, joiner, stranger).kind, "refuse");
});

test("a stored invite is read back as it was, and what is none is none", () => {
  const whole = { ...record, name: "berlin", claim: { ...joiner, decision: "accepted" as const } };
  assert.deepEqual(parseInviteRecord(JSON.stringify(whole)), whole);
  assert.equal(parseInviteRecord("{"), undefined);
  for (const key of ["id", "tokenHash", "grants", "labels", "urls", "expiresAt", "confirm"]) {
    assert.equal(parseInviteRecord(JSON.stringify({ ...whole, [key]: undefined })), undefined, key);
    assert.equal(parseInviteRecord(JSON.stringify({ ...whole, [key]: [1] })), undefined, key);
  }
  assert.equal(parseInviteRecord(JSON.stringify({ ...whole, claim: { at: 1 } })), undefined);
});

test("whatever somebody calls itself, it gets a name that can be one, and that nobody else has", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => assert.ok(isPeerName(toPeerName(text)))),
  );
  assert.equal(toPeerName("Aachen Prod!"), "aachen-prod");
  assert.equal(toPeerName("../../etc"), "etc");
  assert.equal(toPeerName("日本"), "peer");
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{1,64}$/), fc.integer({ min: 0, max: 200 }), (name, taken) => {
      const names = new Set<string>();
      for (let count = 0; count <= taken; count += 1) names.add(findFreeName(name, (one) => names.has(one)));
      assert.equal(names.size, taken + 1);
      for (const one of names) assert.ok(isPeerName(one), one);
    }),
    { numRuns: 30 },
  );
});

test("grants that do not exist and labels that Kubernetes refuses are named", () => {
  checkGrantsAndLabels(["apps", "tunnels", "kubectl", "deliveries"], {
    tier: "edge",
    "example.org/zone": "",
    a: "B_c.d",
  });
  assert.throws(() => checkGrantsAndLabels(["app"], {}), /no grant "app"; there are apps/);
  for (const labels of [
    { "": "x" },
    { "a/b/c": "x" },
    { "-a": "x" },
    { a: "-x" },
    { a: "x y" },
    { a: "x".repeat(64) },
  ]) {
    assert.throws(() => checkGrantsAndLabels([], labels as Record<string, string>), { code: "invalid" });
  }
});

test("of what a peer says of itself no more is kept than there is room for", () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, number) => [`fact-${number}`, "x"]));
  const kept = boundFacts({
    version: "v".repeat(1_000),
    facts: { ...many, UPPER: "x", long: "x".repeat(257), "fairlead.dev/x": "x" },
  });
  assert.equal(Object.keys(kept.facts).length, 64);
  assert.equal(kept.version.length, 63);
  assert.ok(!("UPPER" in kept.facts) && !("long" in kept.facts));
});

test("a peer's name is one that its Workloads can say", () => {
  const validator = createValidator();
  const origin = { fingerprint: "a".repeat(64), namespace: "shop", name: "web", uid: "u", generation: 1 };
  const peer = toPeerName("p".repeat(100));
  assert.equal(
    validator.validate(WorkloadOriginSchema, create(WorkloadOriginSchema, { ...origin, peer })).kind,
    "valid",
  );
  assert.equal(isPeerName(`${peer}p`), false);
});
