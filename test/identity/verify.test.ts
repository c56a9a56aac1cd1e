import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { suite, test } from "node:test";
import fc from "fast-check";
import { type Pin, type Verdict, verifyPeer } from "../../src/identity/verify.ts";
import { derOf, hourMs, newAuthority, newLeaf, twinOf } from "./forge-chain.ts";

const nowMs = Date.UTC(2026, 5, 1, 12);
const now = new Date(nowMs);
const pinned = newAuthority(nowMs);
const attacker = newAuthority(nowMs);
const pin: Pin = { fingerprint: pinned.fingerprint };
const pinnedDer = derOf(pinned.certPem);

function refused(verdict: Verdict, reason: RegExp): void {
  assert.equal(verdict.ok, false);
  assert.match(verdict.reason, reason);
}

test("a leaf of the pinned CA is that agent, as client and as server", () => {
  const chain = [newLeaf(pinned, nowMs).der, pinnedDer];
  for (const usage of ["client", "server"] as const) {
    assert.deepEqual(verifyPeer(chain, pin, now, usage), {
      ok: true,
      fingerprint: pinned.fingerprint,
      caPem: pinned.certPem,
      notAfter: new Date(nowMs + 24 * 3_600_000),
    });
  }
});

test("a guest's chain says who the guest is", () => {
  const verdict = verifyPeer([newLeaf(attacker, nowMs).der, derOf(attacker.certPem)], {}, now, "client");
  assert.ok(verdict.ok);
  assert.equal(verdict.fingerprint, attacker.fingerprint);
});

suite("refused:", () => {
  test("an attacker's leaf with the pinned CA appended", () => {
    const leaf = newLeaf(attacker, nowMs).der;
    const attackerDer = derOf(attacker.certPem);
    refused(verifyPeer([leaf, pinnedDer], pin, now, "client"), /not signed by the CA/);
    refused(verifyPeer([leaf, attackerDer, pinnedDer], pin, now, "client"), /not signed by the CA/);
    // Nor does a guest pass for the CA that it appends.
    refused(verifyPeer([leaf, pinnedDer], {}, now, "client"), /not signed by the CA/);
    const asGuest = verifyPeer([leaf, attackerDer, pinnedDer], {}, now, "client");
    assert.equal(asGuest.ok && asGuest.fingerprint, attacker.fingerprint);
  });

  test("an attacker's leaf that names the pinned CA as its issuer, with the pinned CA appended", () => {
    const leaf = newLeaf({ ...attacker, subject: pinned.subject, publicKey: pinned.publicKey }, nowMs).der;
    refused(verifyPeer([leaf, pinnedDer], pin, now, "client"), /not signed by the CA/);
  });

  test("a self-signed twin with equal names", () => {
    const twin = twinOf(pinned, nowMs);
    const leaf = newLeaf({ ...twin, publicKey: pinned.publicKey }, nowMs).der;
    refused(verifyPeer([leaf, derOf(twin.certPem)], pin, now, "server"), /not the agent with the fingerprint/);
    refused(verifyPeer([leaf, derOf(twin.certPem), pinnedDer], pin, now, "server"), /not signed by the CA/);
  });

  test("the right CA with the wrong usage", () => {
    const server = newLeaf(pinned, nowMs, { purposes: ["serverAuth"] }).der;
    const client = newLeaf(pinned, nowMs, { purposes: ["clientAuth"] }).der;
    const neither = newLeaf(pinned, nowMs, { purposes: [] }).der;
    refused(verifyPeer([server, pinnedDer], pin, now, "client"), /not meant for clientAuth/);
    refused(verifyPeer([client, pinnedDer], pin, now, "server"), /not meant for serverAuth/);
    refused(verifyPeer([neither, pinnedDer], pin, now, "server"), /not meant for serverAuth/);
  });

  test("an expired leaf, and one that is not valid yet", () => {
    const expired = newLeaf(pinned, nowMs, { notAfter: new Date(nowMs - 1000) }).der;
    const future = newLeaf(pinned, nowMs, { notBefore: new Date(nowMs + 1000) }).der;
    refused(verifyPeer([expired, pinnedDer], pin, now, "client"), /expired at .* compare the clocks/);
    refused(verifyPeer([future, pinnedDer], pin, now, "client"), /valid only from .* compare the clocks/);
    refused(
      verifyPeer([newLeaf(pinned, nowMs).der, pinnedDer], pin, new Date(Number.NaN), "client"),
      /unreadable date/,
    );
  });

  test("a leaf issued by another leaf, and a CA shown as a leaf", () => {
    const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const middle = newLeaf(pinned, nowMs, { keys });
    const below = newLeaf({ subject: `${pinned.subject} leaf`, ...keys }, nowMs);
    refused(verifyPeer([below.der, middle.der], {}, now, "client"), /may have issued/);
    refused(verifyPeer([below.der, middle.der, pinnedDer], pin, now, "client"), /not signed by the CA/);
    refused(verifyPeer([pinnedDer, pinnedDer], pin, now, "client"), /CA certificate as its own/);
    refused(
      verifyPeer([newLeaf(pinned, nowMs, { ca: true }).der, pinnedDer], pin, now, "client"),
      /CA certificate as its own/,
    );
  });

  test("a leaf that names another issuer than the CA that signed it", () => {
    const leaf = newLeaf(pinned, nowMs, { issuer: "somebody else" }).der;
    refused(verifyPeer([leaf, pinnedDer], pin, now, "client"), /may have issued/);
  });

  test("keys of other kinds, whose checks a stranger could make expensive", () => {
    const rsa = newLeaf(pinned, nowMs, { keys: generateKeyPairSync("rsa", { modulusLength: 2048 }) }).der;
    const p384 = newLeaf(pinned, nowMs, { keys: generateKeyPairSync("ec", { namedCurve: "P-384" }) }).der;
    refused(verifyPeer([rsa, pinnedDer], pin, now, "client"), /not an EC key on P-256/);
    refused(verifyPeer([p384, pinnedDer], pin, now, "client"), /not an EC key on P-256/);
    refused(verifyPeer([newLeaf(attacker, nowMs).der, p384], {}, now, "client"), /no CA certificate/);
  });

  test("no certificate, a leaf alone, and a chain that is too long", () => {
    const leaf = newLeaf(pinned, nowMs).der;
    refused(verifyPeer([], pin, now, "client"), /no certificate/);
    refused(verifyPeer([leaf], pin, now, "client"), /does not have that CA/);
    refused(verifyPeer([leaf], {}, now, "client"), /no CA certificate/);
    refused(verifyPeer([leaf, ...Array<Buffer>(4).fill(pinnedDer)], pin, now, "client"), /more than 4/);
    refused(verifyPeer([Buffer.concat([leaf, Buffer.alloc(5000)]), pinnedDer], pin, now, "client"), /cannot be read/);
  });
});

test("a clock one hour off still works, either way", () => {
  const chain = [newLeaf(pinned, nowMs).der, pinnedDer];
  for (const offMs of [-hourMs, hourMs]) assert.ok(verifyPeer(chain, pin, new Date(nowMs + offMs), "client").ok);
});

test("no single flipped bit of a leaf passes", () => {
  const leaf = newLeaf(pinned, nowMs).der;
  fc.assert(
    fc.property(fc.nat(leaf.length * 8 - 1), (bit) => {
      const flipped = Buffer.from(leaf);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(verifyPeer([flipped, pinnedDer], pin, now, "client").ok, false);
    }),
    { numRuns: 500 },
  );
});

test("whatever the bytes, the answer is no, and nothing is thrown", () => {
  const leaf = newLeaf(pinned, nowMs).der;
  const mangled = fc
    .tuple(fc.nat(leaf.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }))
    .map(([at, bytes]) => Buffer.concat([leaf.subarray(0, at), bytes, leaf.subarray(at + bytes.length)]))
    .filter((bytes) => !bytes.equals(leaf));
  const anything = fc.oneof(fc.uint8Array({ maxLength: 600 }), mangled, fc.constant(pinnedDer));
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 5 }), fc.boolean(), (chain, withPin) => {
      assert.equal(verifyPeer(chain, withPin ? pin : {}, now, "server").ok, false);
    }),
    { numRuns: 500 },
  );
});
