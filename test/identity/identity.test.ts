import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { silentLog } from "../../src/base/log.ts";
import { SecretText } from "../../src/base/secret-text.ts";
import { makeAuthority } from "../../src/identity/authority.ts";
import { IdentityError } from "../../src/identity/error.ts";
import { type IdentityDeps, loadIdentity } from "../../src/identity/identity.ts";
import type { IdentityStore } from "../../src/identity/store.ts";
import { verifyPeer } from "../../src/identity/verify.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { chainOf, hourMs } from "./forge-chain.ts";
import { createMemoryStore } from "./memory-store.ts";

const never = new AbortController().signal;

function load(store: IdentityStore, clock = createFakeClock(), more: Partial<IdentityDeps> = {}) {
  return loadIdentity({ store, clock, log: silentLog, ...more }, never);
}

test("the first start makes an identity and every later one reads it", async () => {
  const store = createMemoryStore();
  const first = await load(store);
  const second = await load(store);
  assert.match(first.fingerprint, /^[0-9a-f]{64}$/);
  assert.equal(second.fingerprint, first.fingerprint);
  assert.equal(second.caPem, first.caPem);
  assert.equal(store.creates, 1);
});

test("two starts at once make one CA: the loser reads the winner's", async () => {
  const store = createMemoryStore();
  const identities = await Promise.all([load(store), load(store), load(store)]);
  assert.ok(store.creates >= 2, "the starts did not race, so this test proves nothing");
  assert.equal(new Set(identities.map((identity) => identity.fingerprint)).size, 1);
  assert.equal(identities[0]?.caPem, store.stored?.caCertPem);
});

test("a read that fails makes no identity", async () => {
  const store = createMemoryStore();
  const failing: IdentityStore = {
    read: () => Promise.reject(new Error("the API server answered 500")),
    create: (identity, signal) => store.create(identity, signal),
  };
  await assert.rejects(load(failing), (error: Error) => {
    assert.ok(error instanceof IdentityError);
    assert.match(String(error.cause), /answered 500/);
    return true;
  });
  assert.equal(store.creates, 0);
});

test("a create that fails, or whose winner vanished, gives no identity", async () => {
  const read = () => Promise.resolve(undefined);
  await assert.rejects(load({ read, create: () => Promise.reject(new Error("409?")) }), IdentityError);
  await assert.rejects(load({ read, create: () => Promise.resolve("exists") }), IdentityError);
});

test("an aborted start says so, and not that the store is broken", async () => {
  const reason = new Error("stopped");
  const store: IdentityStore = { read: () => Promise.reject(reason), create: () => Promise.resolve("created") };
  const deps = { store, clock: createFakeClock(), log: silentLog };
  await assert.rejects(loadIdentity(deps, AbortSignal.abort(reason)), reason);
});

test("a damaged identity is refused and never replaced", async () => {
  const good = makeAuthority(0);
  const other = makeAuthority(0);
  const damaged = [
    { caCertPem: "", caKeyPem: good.caKeyPem },
    { caCertPem: good.caCertPem, caKeyPem: new SecretText("no key") },
    { caCertPem: good.caCertPem, caKeyPem: other.caKeyPem },
  ];
  for (const stored of damaged) {
    const store = createMemoryStore();
    store.stored = stored;
    await assert.rejects(load(store), /damaged.*Restore it from a backup/);
    assert.equal(store.creates, 0);
    assert.equal(store.stored, stored);
  }
});

test("a leaf is valid for both ends, backdated one hour, and rotates by itself after two thirds of its life", async () => {
  const clock = createFakeClock();
  const identity = await load(createMemoryStore(), clock);
  const first = identity.leaf();
  const [der] = chainOf(first.certPem);
  assert.ok(der);
  assert.equal(new X509Certificate(der).validFromDate.getTime(), clock.now() - hourMs);
  assert.equal(first.notAfter.getTime(), clock.now() + 24 * hourMs);
  const rotated: Date[] = [];
  identity.onRotate((leaf) => rotated.push(leaf.issuedAt));

  await clock.advance(16 * hourMs - 1);
  assert.equal(identity.leaf(), first);
  await clock.advance(1);
  const second = identity.leaf();
  assert.notEqual(second.keyPem.reveal(), first.keyPem.reveal());
  await clock.advance(16 * hourMs);
  assert.equal(rotated.length, 2);
  for (const usage of ["client", "server"] as const) {
    const now = new Date(clock.now());
    assert.ok(verifyPeer(chainOf(identity.leaf().certPem), { fingerprint: identity.fingerprint }, now, usage).ok);
  }
  identity.close();
  assert.equal(clock.timers, 0);
});

test("a leaf is replaced when asked for, if the machine slept through its rotation or its clock was put back", async () => {
  const clock = createFakeClock();
  let offsetMs = 0;
  const jumping = { ...clock, now: () => clock.now() + offsetMs };
  const identity = await load(createMemoryStore(), clock, { clock: jumping });
  const first = identity.leaf();
  offsetMs = 20 * hourMs;
  const second = identity.leaf();
  assert.notEqual(second, first);
  offsetMs = -5 * hourMs;
  const third = identity.leaf();
  assert.notEqual(third, second);
  assert.equal(identity.leaf(), third);
  assert.ok(verifyPeer(chainOf(third.certPem), {}, new Date(jumping.now()), "client").ok);
  identity.close();
  assert.equal(clock.timers, 0);
});

test("private keys do not print", async () => {
  const store = createMemoryStore();
  const identity = await load(store);
  const printed =
    inspect([store.stored, identity.leaf()], { depth: 9 }) + JSON.stringify([store.stored, identity.leaf()]);
  assert.doesNotMatch(printed, /PRIVATE KEY/);
});
