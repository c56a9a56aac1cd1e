import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { RelayTargetSchema, type Target, TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import type { PeeringAuditEntry } from "../../src/peering/audit-entry.ts";
import { createRoster } from "../../src/peering/roster.ts";
import type { EffectivePolicy } from "../../src/policy/effective-policy.ts";
import { createRelay } from "../../src/tunnel/relay.ts";
import { DialError, Reason } from "../../src/wire/reason.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { createMemoryPeerStore } from "../peering/memory-stores.ts";
import { policyOf } from "../policy/given.ts";

const fingerprints = { aachen: "aa".repeat(32), berlin: "bb".repeat(32), celle: "cc".repeat(32) };
type Name = keyof typeof fingerprints;

const open = policyOf({ relay: { allow: true } });
const shut = policyOf();

/** The end of a carrier that was asked for: the stream, or why there is none. */
interface Asked {
  readonly stream: Duplex | undefined;
  readonly refused: { reason: Reason; message: string } | undefined;
}

async function startRelay(t: TestContext, clock: FakeClock | typeof systemClock = systemClock) {
  const roster = createRoster({ store: createMemoryPeerStore(), clock, log: silentLog });
  t.after(() => roster.close());
  for (const [name, fingerprint] of Object.entries(fingerprints)) {
    await roster.add({ name, fingerprint, caPem: "", labels: {}, grants: [] }, {}, patience());
  }
  const policies = new Map<string, EffectivePolicy>(Object.values(fingerprints).map((one) => [one, open]));
  const through = new Map<string, string>();
  const audited: PeeringAuditEntry[] = [];
  /** Where dials end up: the far ends, by peer, with what they were asked for. */
  const dialled: { peer: string; target: Target; far: Duplex }[] = [];
  let answer: ((peer: string) => Promise<void>) | undefined;
  const relay = createRelay({
    policyOf: (fingerprint) => policies.get(fingerprint),
    roster,
    through: (peer) => through.get(peer),
    async dialPeer(peer, target) {
      await answer?.(peer);
      const [near, far] = duplexPair();
      dialled.push({ peer, target, far });
      for (const one of [near, far]) one.on("error", () => undefined);
      return near;
    },
    record: { note: (_by, entry) => audited.push(entry) },
    clock,
    log: silentLog,
  });
  t.after(() => relay.close());

  /** As the peer `from` asks for `fingerprint`; resolves with the answer. */
  function ask(from: Name, fingerprint: string): Promise<Asked> {
    const answered = Promise.withResolvers<Asked>();
    const value = create(RelayTargetSchema, { fingerprint: Buffer.from(fingerprint, "hex") });
    relay.open(
      { fingerprint: fingerprints[from], guest: false, peer: from, grants: [] },
      {
        target: create(TargetSchema, { kind: { case: "relay", value } }),
        accept() {
          const [stream, own] = duplexPair();
          for (const one of [stream, own]) one.on("error", () => undefined);
          answered.resolve({ stream, refused: undefined });
          return own;
        },
        refuse: (reason, message) => answered.resolve({ stream: undefined, refused: { reason, message } }),
      },
    );
    return answered.promise;
  }

  /** A carrier between two: both ends of it. */
  async function join(from: Name, to: Name): Promise<{ near: Duplex; far: Duplex }> {
    const { stream, refused } = await ask(from, fingerprints[to]);
    const far = dialled.at(-1)?.far;
    if (!stream || !far) throw new Error(`refused: ${refused?.message}`);
    return { near: stream, far };
  }

  return {
    relay,
    policies,
    through,
    audited,
    /** Bytes from a peer, or from all. */
    carried: (from?: string): number =>
      relay
        .traffic()
        .filter((flow) => from === undefined || flow.from === from)
        .reduce((total, { bytes }) => total + bytes, 0),
    dialled,
    ask,
    join,
    set answer(next: (peer: string) => Promise<void>) {
      answer = next;
    },
  };
}

test("what goes in at one end comes out at the other, whole and in order, with its end, and is counted by who sent it", async (t) => {
  const world = await startRelay(t);
  const { near, far } = await world.join("aachen", "berlin");
  assert.deepEqual([world.dialled[0]?.peer, world.dialled[0]?.target.kind.case], ["berlin", "carrier"]);
  const bytes = randomBytes(3_000_000);
  const received = buffer(far);
  near.end(bytes);
  assert.equal(sha(await received), sha(bytes));
  assert.equal(near.readableEnded, false, "the way back is still open");
  const back = buffer(near);
  far.end("and back");
  assert.equal((await back).toString(), "and back");
  await until("nothing is carried any more", () => world.relay.size === 0);
  assert.deepEqual([world.carried("aachen"), world.carried("berlin")], [bytes.length, 8]);
});

test("a break at one end is a break at the other, and never an end", async (t) => {
  const world = await startRelay(t);
  const { near, far } = await world.join("aachen", "berlin");
  near.write("some");
  await once(far, "data");
  let ended = false;
  far.once("end", () => {
    ended = true;
  });
  near.destroy(new Error("cut"));
  await until("it is over", () => world.relay.size === 0);
  assert.equal(ended, false);
});

test("a reader that does not read stops its writer, and is not held in memory", async (t) => {
  const world = await startRelay(t);
  const { near } = await world.join("aachen", "berlin");
  let written = 0;
  while (near.write(Buffer.alloc(16_384))) written += 16_384;
  await until("it has come to rest", () => near.writableLength > 0);
  const passed = world.carried();
  assert.ok(passed < 1_000_000 && written < 1_000_000, `${passed} bytes`);
});

test("who is not allowed to be carried, or asks for one that is not, is refused with what to do, and nobody is dialled", async (t) => {
  const world = await startRelay(t);
  world.policies.set(fingerprints.celle, shut);
  const own = await world.ask("celle", fingerprints.berlin);
  assert.deepEqual([own.refused?.reason, world.dialled.length], [Reason.DENIED, 0]);
  assert.match(own.refused?.message ?? "", /for peer celle.*PeerPolicy: relay\.allow: true \(rule: relay\/allow\)/);
  const other = await world.ask("aachen", fingerprints.celle);
  const nobody = await world.ask("aachen", "dd".repeat(32));
  assert.equal(nobody.refused?.reason, Reason.NOT_FOUND);
  assert.deepEqual(other.refused, nobody.refused, "and does not learn who is a peer here");
  assert.equal((await world.ask("aachen", fingerprints.aachen)).refused?.reason, Reason.DENIED);
  assert.equal((await world.ask("aachen", "")).refused?.reason, Reason.NOT_FOUND);
  assert.deepEqual(
    world.audited.map(({ actor, target, verdict, rule }) => [actor.peer, target, verdict, rule].join(" ")),
    [
      "celle berlin denied relay/allow",
      "aachen celle denied relay/allow",
      `aachen ${"dd".repeat(32)} denied relay/target`,
      "aachen aachen denied relay/self",
      "aachen  denied relay/target",
    ],
  );
});

test("the other end's refusal comes through with its reason, and an absence is called one", async (t) => {
  const world = await startRelay(t);
  world.answer = () => Promise.reject(new DialError(Reason.DENIED, "no grant (rule: grants/relay)", { remote: true }));
  const { refused } = await world.ask("aachen", fingerprints.berlin);
  assert.deepEqual(refused, {
    reason: Reason.DENIED,
    message: "The agent behind the relay refused: no grant (rule: grants/relay)",
  });
  world.answer = () => Promise.reject(new DialError(Reason.UNREACHABLE, "berlin has been unreachable since 1970"));
  const absent = await world.ask("aachen", fingerprints.berlin);
  assert.deepEqual(absent.refused, {
    reason: Reason.UNREACHABLE,
    message: "The agent that is meant is not connected to the relay now.",
  });
  await until("nothing is left of it", () => world.relay.size === 0);
});

test("a right that is withdrawn ends what is carried at both ends, with the rule, and leaves the others", async (t) => {
  const world = await startRelay(t);
  const first = await world.join("aachen", "berlin");
  const second = await world.join("aachen", "celle");
  world.policies.set(fingerprints.berlin, shut);
  world.relay.review(fingerprints.celle);
  assert.equal(first.near.destroyed, false, "a review of another peer ends nothing");
  const broken = Promise.all([first.near, first.far].map((end) => once(end, "close", { signal: patience() })));
  world.relay.review(fingerprints.berlin);
  await broken;
  await until("one is left", () => world.relay.size === 1);
  assert.equal(second.near.destroyed, false);
  const last = world.audited.at(-1);
  assert.deepEqual([last?.action, last?.verdict, last?.rule], ["relay.revoke", "done", "relay/allow"]);
});

test("a right that is withdrawn while the other end is asked ends the dial", async (t) => {
  const world = await startRelay(t);
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  world.answer = () => {
    asked.resolve();
    return go.promise;
  };
  const answer = world.ask("aachen", fingerprints.berlin);
  await asked.promise;
  world.policies.set(fingerprints.aachen, shut);
  world.relay.review();
  go.resolve();
  assert.equal((await answer).stream, undefined);
  await until("the far end is closed", () => world.dialled[0]?.far.destroyed === true);
});

test("no relay stands behind another: neither from the start nor when a link is relayed later", async (t) => {
  const world = await startRelay(t);
  const { near } = await world.join("aachen", "berlin");
  const closed = once(near, "close", { signal: patience() });
  world.through.set("berlin", "celle");
  world.relay.review(fingerprints.berlin);
  await closed;
  for (const [from, to] of [
    ["aachen", "berlin"],
    ["berlin", "aachen"],
  ] as const) {
    assert.match((await world.ask(from, fingerprints[to])).refused?.message ?? "", /rule: relay\/chain/);
  }
});

test("each of two may have so many carriers; a bound that is lowered ends the latest", async (t) => {
  const world = await startRelay(t);
  const bounded = (maxCarriers: number) => policyOf({ relay: { allow: true, maxCarriers } });
  world.policies.set(fingerprints.berlin, bounded(2));
  const first = await world.join("aachen", "berlin");
  const second = await world.join("celle", "berlin");
  const third = await world.ask("aachen", fingerprints.berlin);
  assert.equal(third.refused?.reason, Reason.OVERLOADED);
  assert.doesNotMatch(third.refused?.message ?? "", /berlin/);
  world.policies.set(fingerprints.berlin, bounded(1));
  const ended = once(second.near, "close", { signal: patience() });
  world.relay.review();
  await ended;
  assert.equal(first.near.destroyed, false);
  first.near.destroy(new Error("cut"));
  await until("its place is free", () => world.relay.size === 0);
  await world.join("celle", "berlin");
});

test("all carriers of a peer share its rate, which may be changed while they run", async (t) => {
  const clock = createFakeClock();
  const world = await startRelay(t, clock);
  const rated = (bytesPerSecond: number) => policyOf({ relay: { allow: true, bytesPerSecond } });
  world.policies.set(fingerprints.berlin, rated(100_000));
  const joined = [await world.join("aachen", "berlin"), await world.join("celle", "berlin")];
  const sources = joined.map(({ near, far }) => {
    far.resume();
    const bytes = Buffer.alloc(400_000);
    for (let at = 0; at < bytes.length; at += 10_000) near.write(bytes.subarray(at, at + 10_000));
    return near;
  });
  await clock.advance(1_000);
  await clock.advance(1_000);
  const early = world.carried();
  assert.ok(early >= 150_000 && early <= 300_000, `${early} bytes in two seconds at 100,000 a second`);
  world.policies.set(fingerprints.berlin, rated(10_000_000));
  world.relay.review();
  for (let looks = 0; looks < 200 && world.carried() < 800_000; looks += 1) await clock.advance(50);
  assert.equal(world.carried(), 800_000);
  for (const source of sources) source.destroy();
});

test("closing resets what is carried and refuses what comes later", async (t) => {
  const world = await startRelay(t);
  const { near } = await world.join("aachen", "berlin");
  const closed = once(near, "close", { signal: patience() });
  await world.relay.close();
  await closed;
  assert.equal((await world.ask("aachen", fingerprints.berlin)).refused?.reason, Reason.GOING_AWAY);
});

function sha(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
