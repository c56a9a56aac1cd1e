import assert from "node:assert/strict";
import { test } from "node:test";
import { createRouterTransport } from "@connectrpc/connect";
import { silentLog } from "../../src/base/log.ts";
import type { Link, LinkEnd } from "../../src/link/link.ts";
import { PeerLine } from "../../src/peering/line.ts";
import { Unreachable } from "../../src/peering/link-waiters.ts";
import { type CloseReason, Reason } from "../../src/wire/reason.ts";
import type { CarrierChange, Session } from "../../src/wire/session.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";

interface FakeLink extends Link {
  /** Its carrier is lost, and it waits for the next. */
  lose(): Promise<void>;
  /** It goes on at a carrier. */
  goOn(): void;
  /** Why this end closed it, or that it drained it. */
  readonly endings: (CloseReason | "drained")[];
  end(end: Partial<LinkEnd>): Promise<void>;
  leave(): Promise<void>;
}

function fakeLink(o: { dialled: boolean; instance?: number }): FakeLink {
  const closed = Promise.withResolvers<LinkEnd>();
  const leaving = Promise.withResolvers<CloseReason>();
  const endings: FakeLink["endings"] = [];
  const listeners = new Set<(change: CarrierChange) => void>();
  const tell = (change: CarrierChange): void => {
    for (const listener of listeners) listener(change);
  };
  const carrier = { dialled: o.dialled, remoteAddress: "192.0.2.1" };
  let carrierlessSince: number | undefined;
  const session: Session = {
    id: new Uint8Array(16),
    remote: {
      instance: new Uint8Array(16).fill(o.instance ?? 1),
      version: "0.0.1",
      features: [],
      limits: { maxDataBytes: 1, maxDatagramBytes: 1, maxHeaderBytes: 1, maxStreams: 1, streamCredit: 1 },
    },
    carrier,
    closed: closed.promise,
    leaving: leaving.promise,
    onCarrier(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    open: () => assert.fail("not opened here"),
    dial: () => assert.fail("not dialled here"),
    dialDatagrams: () => assert.fail("not dialled here"),
    async drain() {
      endings.push("drained");
      closed.resolve({ reason: Reason.SHUTDOWN, message: "", by: "us" });
    },
    close(reason) {
      endings.push(reason);
      closed.resolve({ ...reason, by: "us" });
    },
    stats: () => ({
      open: { control: 0, interactive: 0, normal: 0, bulk: 0 },
      opened: 0,
      accepted: 0,
      refused: 0,
      creditStalls: 0,
      resets: { sent: new Map(), received: new Map(), lost: new Map() },
      roundTripMs: 1,
      bytesIn: 0,
      bytesOut: 0,
      waitingBytes: 0,
      replayBytes: 0,
      datagrams: { sent: 0, received: 0, dropped: 0 },
      slowReaders: 0,
      heldBytes: 0,
      promisedBytes: 0,
      carriers: 1,
      resumes: 0,
      carrierlessSince,
    }),
  };
  return {
    fingerprint: "f",
    caPem: "pem",
    session,
    kept: undefined,
    ...carrier,
    through: undefined,
    closed: closed.promise,
    close: (reason) => session.close(reason),
    endings,
    async lose() {
      carrierlessSince = 0;
      const why = { reason: Reason.CARRIER_LOST, message: "The connection was lost.", by: "network" } as const;
      tell({ kind: "lost", why, ageMs: 1, silentMs: 0 });
      await new Promise((resolve) => setImmediate(resolve));
    },
    goOn() {
      carrierlessSince = undefined;
      tell({ kind: "stands", carrier });
    },
    async end(end) {
      closed.resolve({ reason: Reason.CARRIER_LOST, message: "The connection was lost.", by: "network", ...end });
      await new Promise((resolve) => setImmediate(resolve));
    },
    async leave() {
      leaving.resolve({ reason: Reason.SHUTDOWN, message: "stopping" });
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

interface Rig {
  clock: FakeClock;
  line: PeerLine;
  duplicates: string[];
  /** Whether the other end answers when it is asked; undefined when it says nothing, ever. */
  alive: boolean | undefined;
}

function rig(): Rig {
  const clock = createFakeClock();
  const made: Rig = {
    clock,
    duplicates: [],
    alive: true,
    line: new PeerLine({
      name: "berlin",
      clock,
      log: silentLog,
      createTransport: () => createRouterTransport(() => undefined),
      nameOf: (fingerprint) => fingerprint,
      probe: async () => made.alive ?? new Promise<boolean>(() => undefined),
      changed: () => undefined,
      duplicate: (message) => made.duplicates.push(message),
    }),
  };
  return made;
}

test("of two links that cannot go on at another carrier the newest counts, and the one before may end what runs on it", async () => {
  const { clock, line } = rig();
  const [first, second] = [fakeLink({ dialled: false }), fakeLink({ dialled: false })];
  line.offer(first);
  const { epoch } = line.status();
  line.offer(second);
  line.offer(second);
  assert.equal(line.status().epoch, epoch + 1, "offered twice it counts once");
  assert.equal(line.standing(first).kind, "held", "what the other opens on it is still served");
  assert.deepEqual(first.endings, []);
  await clock.advance(1_000);
  assert.deepEqual([first.endings, second.endings], [["drained"], []]);
});

test("of several copies each is refused and named, and the link stays", async () => {
  const made = rig();
  const [mine, copy, another] = [
    fakeLink({ dialled: true }),
    fakeLink({ dialled: false, instance: 2 }),
    fakeLink({ dialled: false, instance: 3 }),
  ];
  made.line.offer(mine);
  made.line.offer(copy);
  made.line.offer(another);
  assert.equal(made.line.standing(copy).kind, "undecided");
  await made.clock.advance(0);
  assert.equal(made.duplicates.length, 2);
  assert.match(made.duplicates[0] ?? "", /instance 01010101 .* holds the link, instance 02020202/);
  assert.deepEqual(mine.endings, []);
  assert.equal(made.line.standing(copy).kind, "unknown");
  assert.match(made.line.status().lastError ?? "", /Two living agents/);
});

test("when the old one does not answer, the new start takes over, and what waited is decided", async () => {
  const made = rig();
  made.alive = false;
  const [old, fresh] = [fakeLink({ dialled: false }), fakeLink({ dialled: false, instance: 2 })];
  made.line.offer(old);
  made.line.offer(fresh);
  await made.clock.advance(0);
  assert.equal(made.line.standing(fresh).kind, "held");
  assert.equal(made.line.status().instance, "02".repeat(16));
  assert.equal(made.duplicates.length, 0);
});

test("a link without a carrier is still held, and who waits for it gets it when it goes on, the same one", async () => {
  const { line } = rig();
  const link = fakeLink({ dialled: true });
  line.offer(link);
  const { epoch } = line.status();
  await link.lose();
  assert.equal(line.standing(link).kind, "held", "what runs on it may go on");
  const lost = line.status();
  assert.deepEqual(
    [lost.state, lost.held, lost.epoch, lost.lastError],
    ["connecting", true, epoch, "The connection was lost."],
  );
  const waiting = line.connected();
  link.goOn();
  assert.equal((await waiting).link, link);
  const status = line.status();
  assert.deepEqual([status.state, status.held, status.epoch, status.lastError], ["connected", true, epoch, undefined]);
  assert.deepEqual(link.endings, []);
});

test("nobody waits longer than 10 s for a link without a carrier, which goes on all the same when one comes", async () => {
  const { clock, line } = rig();
  const link = fakeLink({ dialled: true });
  line.offer(link);
  const { epoch } = line.status();
  await link.lose();
  const refused = assert.rejects(line.connected(), Unreachable);
  await clock.advance(10_000);
  await refused;
  assert.deepEqual([line.status().state, line.status().held], ["disconnected", true]);
  link.goOn();
  assert.deepEqual([line.status().state, line.status().epoch], ["connected", epoch]);
});

test("a link that found no other carrier in time is over, and was lost when its carrier was", async () => {
  const { clock, line } = rig();
  const link = fakeLink({ dialled: true });
  line.offer(link);
  await link.lose();
  const { since } = line.status();
  await clock.advance(60_000);
  await link.end({ reason: Reason.SESSION_LOST, message: "No other connection came." });
  const status = line.status();
  assert.deepEqual([status.held, status.since, status.lastError], [false, since, "No other connection came."]);
  const next = fakeLink({ dialled: true });
  line.offer(next);
  assert.equal(line.status().epoch, 2);
});

test("a new start of the peer takes over at once from a link without a carrier, and what ran there ends at once", async () => {
  const made = rig();
  made.alive = undefined;
  const [old, fresh] = [fakeLink({ dialled: false }), fakeLink({ dialled: false, instance: 2 })];
  made.line.offer(old);
  await old.lose();
  made.line.offer(fresh);
  assert.equal(made.line.standing(fresh).kind, "held");
  assert.deepEqual([made.line.status().state, made.line.status().epoch], ["connected", 2]);
  assert.equal(old.endings.length, 1);
  assert.deepEqual(made.duplicates, []);
});

test("what ran with a process that was stopping and was killed ends when a new start has come, in whichever order", async () => {
  for (const comesFirst of [true, false]) {
    const { line } = rig();
    const [old, fresh] = [fakeLink({ dialled: false }), fakeLink({ dialled: false, instance: 2 })];
    line.offer(old);
    await old.leave();
    if (comesFirst) line.offer(fresh);
    await old.lose();
    assert.equal(old.endings.length, comesFirst ? 1 : 0, "it may come back while nobody else is there");
    if (!comesFirst) line.offer(fresh);
    assert.deepEqual([old.endings.length, line.status().state], [1, "connected"]);
  }
});

test("what a process still does that is stopping goes on beside its new start while it has a connection", async () => {
  const { line } = rig();
  const [old, fresh] = [fakeLink({ dialled: false }), fakeLink({ dialled: false, instance: 2 })];
  line.offer(old);
  await old.leave();
  line.offer(fresh);
  assert.deepEqual([old.endings, line.status().state], [[], "connected"]);
});

test("who is asked whether it lives and loses its carrier meanwhile cannot answer: the new start takes over at once", async () => {
  const made = rig();
  made.alive = undefined;
  const [old, fresh] = [fakeLink({ dialled: false }), fakeLink({ dialled: false, instance: 2 })];
  made.line.offer(old);
  made.line.offer(fresh);
  assert.equal(made.line.standing(fresh).kind, "undecided");
  await old.lose();
  assert.equal(made.line.standing(fresh).kind, "held");
  assert.equal(made.line.status().state, "connected");
  assert.equal(old.endings.length, 1);
});

test("a link whose carrier is lost while nobody waits any more to take over is kept", async () => {
  const made = rig();
  made.alive = undefined;
  const [mine, other] = [fakeLink({ dialled: false }), fakeLink({ dialled: false, instance: 2 })];
  made.line.offer(mine);
  made.line.offer(other);
  await other.end({});
  await mine.lose();
  assert.deepEqual([mine.endings, made.line.status().held], [[], true]);
});

for (const [what, end] of [
  ["cut", (line: PeerLine) => line.cut({ reason: Reason.REMOVED, message: "no peer any more" })],
  ["drained", (line: PeerLine) => line.drain("stopping", 1_000)],
  ["disowned", (line: PeerLine) => line.disowned()],
] as const) {
  test(`a line that is ${what} ends its link also while that has no carrier`, async () => {
    const { clock, line } = rig();
    const link = fakeLink({ dialled: true });
    line.offer(link);
    await link.lose();
    await end(line);
    assert.ok(link.endings.length > 0);
    assert.equal(line.status().held, false);
    await clock.advance(10_000);
    assert.equal(clock.timers, 0);
  });
}

test("a peer that leaves is not connected any more, while what runs may end", async () => {
  const { line } = rig();
  const link = fakeLink({ dialled: false });
  line.offer(link);
  await link.leave();
  assert.equal(line.status().state, "connecting");
  assert.equal(line.standing(link).kind, "held");
  assert.deepEqual(link.endings, []);
});

test("an end that leaves is not connected any more to those above it at once, while what runs may end", async () => {
  const { line } = rig();
  const link = fakeLink({ dialled: false });
  line.offer(link);
  const drained = line.drain("stopping", 1_000);
  assert.equal(line.status().state, "disconnected");
  assert.equal(line.status().lastError, "stopping");
  assert.equal(line.standing(link).kind, "held", "the other end's calls are still served");
  await assert.rejects(line.connected(), /stopping/);
  await drained;
});

test("who waits gets the link when it comes, or hears since when there is none", async () => {
  const { clock, line } = rig();
  const waiting = line.connected();
  const link = fakeLink({ dialled: false });
  line.offer(link);
  assert.equal((await waiting).link, link);
  await link.end({ by: "them", message: "going home" });
  const lostAt = new Date(clock.now()).toISOString();
  const late = assert.rejects(line.connected(), (error) => {
    return (
      error instanceof Unreachable &&
      error.message.includes(`since ${lostAt}: The other end ended the link: going home`)
    );
  });
  const given = new AbortController();
  const givenUp = assert.rejects(line.connected(given.signal), /enough/);
  given.abort(new Error("enough"));
  await givenUp;
  await clock.advance(10_000);
  await late;
  assert.equal(line.status().state, "disconnected");
  await assert.rejects(line.connected(), Unreachable);
});

test("a line that is cut closes every link, ends every wait, and takes no more", async () => {
  const { clock, line } = rig();
  const links = [fakeLink({ dialled: true }), fakeLink({ dialled: false }), fakeLink({ dialled: true })];
  for (const link of links) line.offer(link);
  const idle = rig();
  const waiting = assert.rejects(idle.line.connected(), Unreachable);
  const reason = { reason: Reason.REMOVED, message: "no peer any more" };
  line.cut(reason);
  idle.line.cut(reason);
  await waiting;
  for (const link of links) assert.deepEqual(link.endings, [reason]);
  const late = fakeLink({ dialled: false });
  line.offer(late);
  assert.equal(late.endings.length, 1);
  assert.equal(clock.timers + idle.clock.timers, 0, "nothing is left behind");
});

test("an agent that comes again and again, or says that it leaves and stays, holds a few links and no more", async () => {
  const { line } = rig();
  const links = Array.from({ length: 40 }, () => fakeLink({ dialled: false }));
  for (const link of links) {
    line.offer(link);
    await link.leave();
  }
  const open = links.filter(({ endings }) => endings.length === 0);
  assert.equal(open.length, 8);
  assert.deepEqual(open, links.slice(-8), "the oldest go first");
  line.cut({ reason: Reason.SHUTDOWN, message: "" });
});
