import assert from "node:assert/strict";
import { test } from "node:test";
import { LineTally } from "../../src/peering/line-tally.ts";
import { Reason } from "../../src/wire/reason.ts";
import type { CarrierChange, Session, SessionEnd } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";

/** Of a session only what a tally looks at. */
function fakeSession() {
  const closed = Promise.withResolvers<SessionEnd>();
  let tell: (change: CarrierChange) => void = () => undefined;
  const session: Pick<Session, "closed" | "onCarrier" | "stats"> = {
    closed: closed.promise,
    onCarrier(listener) {
      tell = listener;
      return () => undefined;
    },
    stats: () => ({
      open: { control: 0, interactive: 0, normal: 0, bulk: 0 },
      opened: 1,
      accepted: 2,
      refused: 0,
      creditStalls: 3,
      resets: { sent: new Map([[Reason.DENIED, 1]]), received: new Map(), lost: new Map() },
      slowReaders: 0,
      heldBytes: 0,
      promisedBytes: 0,
      roundTripMs: 1,
      bytesIn: 10,
      bytesOut: 20,
      waitingBytes: 0,
      replayBytes: 0,
      datagrams: { sent: 0, received: 0, dropped: 0 },
      carriers: 2,
      resumes: 1,
      carrierlessSince: undefined,
    }),
  };
  return {
    session,
    tell: (change: CarrierChange) => tell(change),
    async end(end: SessionEnd) {
      closed.resolve(end);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

const why: SessionEnd = { reason: Reason.CARRIER_LOST, message: "lost", by: "network" };

test("a link that ends while it has no carrier has lost that once, and one that ends with its carrier loses it then", async () => {
  const clock = createFakeClock(1_000);
  const tally = new LineTally(clock);
  const [waiting, standing] = [fakeSession(), fakeSession()];
  for (const { session } of [waiting, standing]) tally.add(session);
  waiting.tell({ kind: "lost", why, ageMs: 5_000, silentMs: 40 });
  await clock.advance(60_000);
  await waiting.end({ ...why, reason: Reason.SESSION_LOST });
  assert.deepEqual(tally.past, [
    { at: 1_000, ageMs: 5_000, silentMs: 40, reason: "CARRIER_LOST", by: "network", message: "lost" },
  ]);
  await standing.end({ reason: Reason.REMOVED, message: "", by: "them" });
  const { carrierEnds, ends } = tally.totals();
  assert.deepEqual(Object.fromEntries(carrierEnds), { CARRIER_LOST: 1, REMOVED: 1 });
  assert.deepEqual(Object.fromEntries(ends), { SESSION_LOST: 1, REMOVED: 1 });
  assert.equal(tally.past[1]?.ageMs, 60_000);
});

test("what a session has counted counts once, while it lives and when it is over", async () => {
  const tally = new LineTally(createFakeClock());
  const one = fakeSession();
  tally.add(one.session);
  tally.add(one.session);
  const living = tally.totals();
  await one.end(why);
  for (const totals of [living, tally.totals()]) {
    const { bytesIn, bytesOut, opened, accepted, creditStalls, carriers, resumes, links } = totals;
    assert.deepEqual(
      [bytesIn, bytesOut, opened, accepted, creditStalls, carriers, resumes, links],
      [10, 20, 1, 2, 3, 2, 1, 1],
    );
    assert.deepEqual(Object.fromEntries(totals.resets.sent), { DENIED: 1 });
  }
});

test("no more ended carriers are remembered than a person would read", () => {
  const tally = new LineTally(createFakeClock());
  const one = fakeSession();
  tally.add(one.session);
  for (let index = 0; index < 100; index += 1) one.tell({ kind: "lost", why, ageMs: index, silentMs: 0 });
  assert.equal(tally.past.length, 32);
  assert.equal(tally.past.at(-1)?.ageMs, 99);
  assert.equal(tally.totals().carrierEnds.get("CARRIER_LOST"), 100);
});
