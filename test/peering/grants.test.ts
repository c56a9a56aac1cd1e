import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import {
  checkLifetime,
  countedNow,
  endTogether,
  lostGrants,
  setGrants,
  tellLoss,
  withDecision,
} from "../../src/peering/grants.ts";
import { mostTunnelDecisions, type Peer, type TunnelDecision } from "../../src/peering/peer.ts";
import { createRoster, type Roster, type RosterChange } from "../../src/peering/roster.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";
import { patience } from "../patience.ts";
import { createMemoryPeerStore } from "./memory-stores.ts";

const dayMs = 86_400_000;
const now = Date.UTC(2026, 0, 1);

function peer(change: Partial<Peer> = {}): Peer {
  return { name: "berlin", fingerprint: "f", caPem: "pem", labels: {}, grants: [], ...change };
}

test("a grant counts until its end and not at it; one whose end is no number does not count", () => {
  const grants = ["apps", "tunnels", "kubectl", "constructor"];
  const at = (grantsUntil: Record<string, number>) => countedNow(peer({ grants, grantsUntil }), now).grants;
  assert.deepEqual(at({ apps: now + 1 }), grants, "what has no end counts");
  assert.deepEqual(at({ apps: now, tunnels: now - 1, kubectl: Number.NaN }), ["constructor"]);
  assert.deepEqual(
    countedNow(peer({ grants, grantsUntil: { apps: now, tunnels: now + 5, other: 1 } }), now).grantsUntil,
    {
      tunnels: now + 5,
    },
  );
});

test("grants that are set are set as said: for a while, or until they are withdrawn", () => {
  const before = peer({ grants: ["apps"], grantsUntil: { apps: now + 1 } });
  const after = setGrants(before, ["apps", "tunnels"], { tunnels: 8_000 }, now);
  assert.deepEqual([after.grants, after.grantsUntil], [["apps", "tunnels"], { tunnels: now + 8_000 }]);
  assert.equal(setGrants(before, ["apps"], {}, now).grantsUntil, undefined);
  assert.throws(() => setGrants(before, ["apps"], { tunnels: 8_000 }, now), { code: "invalid" });
  for (const ms of [0, 999, -1, Number.NaN, 11 * 365 * dayMs])
    assert.throws(() => checkLifetime(ms), { code: "invalid" });
  assert.deepEqual(endTogether([], 5_000, now), { grantsUntil: undefined });
});

test("a loss says whether somebody withdrew it or its time was over", () => {
  const before = peer({ grants: ["apps", "tunnels", "kubectl"], grantsUntil: { apps: now, kubectl: now + dayMs } });
  const lost = lostGrants(before, peer(), now);
  assert.deepEqual(lost, [{ grant: "apps", endedAt: now }, { grant: "tunnels" }, { grant: "kubectl" }]);
  assert.deepEqual(
    lost.map((one) => tellLoss("berlin", one).split(". The operator")[0]),
    [
      'The grant "apps" of peer berlin came to its end at 2026-01-01T00:00:00.000Z',
      'The grant "tunnels" of peer berlin was withdrawn',
      'The grant "kubectl" of peer berlin was withdrawn',
    ],
  );
});

test("of decisions a record holds 256, one for each target; those that are over go first, then the oldest approval, and a no last", () => {
  const decision = (target: string, at: number, until?: number): TunnelDecision => ({
    target,
    verdict: "Approved",
    at,
    ...(until !== undefined && { until }),
  });
  const targets = (decisions: readonly TunnelDecision[]) => decisions.map(({ target }) => target);
  assert.deepEqual(withDecision([decision("a", 1), decision("b", 2)], decision("a", 3), now), [
    decision("b", 2),
    decision("a", 3),
  ]);
  const full = Array.from({ length: mostTunnelDecisions }, (_, n) =>
    decision(`t${n}`, n + 10, n === 200 ? now : undefined),
  );
  const once = withDecision(full, decision("new", 1_000), now);
  assert.equal(once.length, mostTunnelDecisions);
  assert.ok(!targets(once).includes("t200") && targets(once).includes("t0"));
  const twice = withDecision(once, decision("newer", 1_001), now);
  assert.ok(!targets(twice).includes("t0") && targets(twice).includes("t1") && targets(twice).includes("new"));
  // Where a policy asks for no approval any more, nothing but the no keeps the peer away.
  const refused = once.map((one): TunnelDecision => (one.target === "t0" ? { ...one, verdict: "Denied" } : one));
  const thrice = withDecision(refused, decision("newer", 1_001), now);
  assert.ok(targets(thrice).includes("t0") && !targets(thrice).includes("t1"));
});

async function rig(change: Partial<Peer>): Promise<{ clock: FakeClock; roster: Roster; told: RosterChange[] }> {
  const clock = createFakeClock(now);
  const roster = createRoster({ store: createMemoryPeerStore(), clock, log: silentLog });
  await roster.add(peer(change), {}, patience());
  const told: RosterChange[] = [];
  roster.subscribe((one) => told.push(one));
  told.length = 0;
  return { clock, roster, told };
}

test("the roster tells the end of a grant as it tells a withdrawal, at its moment, also when that is months away", async () => {
  const far = 60 * dayMs; // Beyond what one timer of Node can wait.
  const { clock, roster, told } = await rig({
    grants: ["apps", "tunnels", "kubectl"],
    grantsUntil: { apps: now + far, tunnels: now + dayMs },
  });
  await clock.advance(dayMs - 1);
  assert.equal(told.length, 0);
  await clock.advance(1);
  assert.deepEqual(
    told.map(({ before, after }) => [before?.grants, after?.grants]),
    [
      [
        ["apps", "tunnels", "kubectl"],
        ["apps", "kubectl"],
      ],
    ],
  );
  assert.deepEqual(roster.byFingerprint("f")?.grants, ["apps", "kubectl"]);
  await clock.advance(far - dayMs - 1);
  assert.equal(told.length, 1);
  await clock.advance(1);
  assert.deepEqual(roster.get("berlin")?.grants, ["kubectl"]);
  assert.equal(told.length, 2);
  assert.equal(clock.timers, 0, "nothing ends by itself any more");
  roster.close();
});

test("a grant ends within a minute of its end when the wall clock leaps over it", async () => {
  const { clock, roster, told } = await rig({ grants: ["apps"], grantsUntil: { apps: now + dayMs } });
  clock.jump(dayMs);
  await clock.advance(60_000);
  assert.deepEqual(
    told.map(({ after }) => after?.grants),
    [[]],
  );
  roster.close();
});

test("a grant that was prolonged, or made endless, does not end at its old end", async () => {
  const { clock, roster } = await rig({
    grants: ["apps", "tunnels"],
    grantsUntil: { apps: now + 1_000, tunnels: now + 1_000 },
  });
  const change = (one: Peer): Peer => setGrants(one, ["apps", "tunnels"], { apps: dayMs }, now);
  await roster.update("berlin", change, patience());
  await clock.advance(2_000);
  assert.deepEqual(roster.get("berlin")?.grants, ["apps", "tunnels"]);
  await clock.advance(dayMs);
  assert.deepEqual(roster.get("berlin")?.grants, ["tunnels"]);
  roster.close();
  assert.equal(clock.timers, 0);
});

test("a change of something else revives no grant that is over", async () => {
  const { clock, roster } = await rig({ grants: ["apps"], grantsUntil: { apps: now + 1_000 } });
  await clock.advance(1_000);
  const written = await roster.update("berlin", (one) => ({ ...one, labels: { a: "b" } }), patience());
  assert.deepEqual([written.grants, written.grantsUntil], [[], undefined]);
  await clock.advance(-500);
  await roster.update("berlin", (one) => ({ ...one, labels: {} }), patience());
  assert.deepEqual(roster.get("berlin")?.grants, []);
  roster.close();
});

test("what was over before the roster knew of it never counted, and a roster that is closed waits for nothing", async () => {
  const clock = createFakeClock(now);
  const store = createMemoryPeerStore();
  const grantsUntil = { apps: now - 1, tunnels: now + dayMs };
  await store.put({ peer: peer({ grants: ["apps", "tunnels"], grantsUntil }) }, undefined, patience());
  const roster = createRoster({ store, clock, log: silentLog });
  const told: (readonly string[] | undefined)[] = [];
  roster.subscribe(({ after }) => told.push(after?.grants));
  assert.deepEqual(told, [["tunnels"]]);
  assert.deepEqual(roster.byFingerprint("f")?.grants, ["tunnels"]);
  assert.equal(clock.timers, 1);
  roster.close();
  assert.equal(clock.timers, 0);
});

test("an end that is no time cannot be set", async () => {
  const { roster } = await rig({ grants: ["apps"] });
  for (const until of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    const change = (one: Peer): Peer => ({ ...one, grantsUntil: { apps: until } });
    await assert.rejects(roster.update("berlin", change, patience()), { code: "invalid" });
  }
  roster.close();
});
