import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import fc from "fast-check";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { Limits } from "../../src/wire/limits.ts";
import { PeerSessions } from "../../src/wire/peer-sessions.ts";
import { Reason } from "../../src/wire/reason.ts";
import { Priority } from "../../src/wire/scheduler.ts";
import { type IncomingStream, openSession, type Session } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { echo } from "./carriers.ts";
import { hello, never, service } from "./pair.ts";
import { dataFrame, type FrameInit, openFrame, RawPeer, rawHello } from "./raw-peer.ts";

const features = ["resume"];

function lowHello(carrier: bigint): FrameInit {
  assert.ok(rawHello.kind?.case === "hello");
  return { kind: { case: "hello", value: { ...rawHello.kind.value, features, carrier } } };
}

function resume(carrier: bigint, o: { session?: number; received?: bigint; begins?: boolean } = {}): FrameInit {
  const session = new Uint8Array(16).fill(o.session ?? 7);
  return {
    kind: { case: "resume", value: { session, carrier, received: o.received ?? 0n, begins: o.begins ?? false } },
  };
}

function resumeOf(session: Session, carrier: bigint): FrameInit {
  return { kind: { case: "resume", value: { session: session.id, carrier, received: 0n } } };
}

/** A carrier to the high end, on which a raw peer is the low end. */
const mebibyte = 1024 * 1024;

function raw(
  sessions: PeerSessions,
  o: {
    clock?: Clock;
    limits?: Partial<Limits>;
    accept?(incoming: IncomingStream): void;
    onDefect?(error: unknown): void;
  } = {},
): { peer: RawPeer; opening: Promise<Session> } {
  const [carrier, ours] = duplexPair();
  const { clock = systemClock, limits = {}, accept = () => undefined, onDefect = () => undefined } = o;
  const opening = openSession(
    { carrier, side: "high", hello: hello(2), sessions, clock, limits, random: () => 0, accept, onDefect },
    never,
  );
  opening.catch(() => undefined);
  return { peer: new RawPeer(ours), opening };
}

suite("resume, to the frame", () => {
  test("what the other end has is not sent again, and the rest is, to the byte and before anything new", async () => {
    const sessions = new PeerSessions(systemClock);
    const first = raw(sessions);
    first.peer.send(lowHello(1n), resume(1n, { begins: true }));
    const session = await first.opening;
    const stream = await Promise.resolve(session.open({ dial: { target: service("x") } }));
    stream.write([Buffer.from("abc")], () => undefined);
    await first.peer.hear("open");
    await first.peer.hear("data");
    first.peer.carrier.destroy();
    await until("it is gone", () => first.peer.closed);
    stream.write([Buffer.from("def")], () => undefined);
    const second = raw(sessions);
    second.peer.send(lowHello(2n), resume(2n, { received: 1n, begins: false }));
    assert.equal(await second.opening, session);
    const answer = await second.peer.hear("resume");
    assert.equal(answer.kind.value.received, 0n);
    assert.equal(answer.kind.value.carrier, 2n);
    const data = [await second.peer.hear("data"), await second.peer.hear("data")];
    assert.deepEqual(
      data.map(({ kind }) => String(Buffer.from(kind.value))),
      ["abc", "def"],
    );
    assert.equal(second.peer.heard.filter(({ kind }) => kind.case === "open").length, 0);
    session.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("the low end speaks at once where a session begins, and says nothing twice; elsewhere it waits for what the other has", async () => {
    const sessions = new PeerSessions(systemClock);
    const highHello: FrameInit = { kind: { case: "hello", value: { instance: new Uint8Array(16).fill(9), features } } };
    const join = (): { peer: RawPeer; opening: Promise<Session> } => {
      const [carrier, ours] = duplexPair();
      const common = { hello: hello(1), sessions, clock: systemClock, random: () => 0, accept: () => undefined };
      const opening = openSession({ ...common, carrier, side: "low" }, never);
      const peer = new RawPeer(ours);
      peer.send(highHello);
      return { peer, opening };
    };
    const first = join();
    const session = await first.opening;
    session.open({ dial: { target: service("one") } });
    assert.equal((await first.peer.hear("resume")).kind.value.begins, true);
    await first.peer.hear("open");
    // The high end never said Resume, so it has nothing, for all that the low end knows.
    first.peer.carrier.destroy();
    await until("it is gone", () => first.peer.closed);
    const second = join();
    const { value } = (await second.peer.hear("resume")).kind;
    assert.equal(value.begins, true);
    for (let i = 0; i < 20; i++) await new Promise(setImmediate);
    assert.deepEqual(
      second.peer.heard.filter(({ kind }) => kind.case === "open"),
      [],
    );
    second.peer.send({ kind: { case: "resume", value: { session: value.session, carrier: value.carrier } } });
    assert.equal(await second.opening, session);
    await second.peer.hear("open");
    session.close({ reason: Reason.SHUTDOWN, message: "Done." });

    const third = join();
    const next = await third.opening;
    next.open({ dial: { target: service("two") } });
    const begins = (await third.peer.hear("resume")).kind.value;
    await third.peer.hear("open");
    third.peer.send({ kind: { case: "resume", value: { session: begins.session, carrier: begins.carrier } } });
    next.open({ dial: { target: service("three") } });
    assert.equal((await third.peer.hear("open")).stream, 3n);
    next.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("an end that was too slow to say Hello goes on at the next carrier, with what it had begun", async () => {
    const sessions = new PeerSessions(systemClock);
    const highHello: FrameInit = { kind: { case: "hello", value: { instance: new Uint8Array(16).fill(9), features } } };
    const join = (): { peer: RawPeer; opening: Promise<Session> } => {
      const [carrier, ours] = duplexPair();
      const options = { carrier, side: "low", hello: hello(1), sessions, clock: systemClock } as const;
      return { peer: new RawPeer(ours), opening: openSession({ ...options, accept: () => undefined }, never) };
    };
    const first = join();
    first.peer.send(highHello);
    const session = await first.opening;
    const stream = session.open({ dial: { target: service("x") } });
    first.peer.send({ kind: { case: "close", value: { reason: Reason.HELLO_TIMEOUT } } });
    await until("the carrier is given up", () => first.peer.closed);
    const second = join();
    second.peer.send(highHello);
    const asked = await second.peer.hear("resume");
    assert.deepEqual([asked.kind.value.session, asked.kind.value.begins], [session.id, true]);
    second.peer.send(resumeOf(session, asked.kind.value.carrier));
    assert.equal(await second.opening, session);
    await second.peer.hear("open");
    assert.equal(stream.cut, undefined);
    second.peer.send({ kind: { case: "close", value: { reason: Reason.SHUTDOWN } } });
    await session.closed;
  });

  test("an end that is told that the other has moved waits 2 s for the carrier to which, before that is a loss", async () => {
    for (const comes of [true, false]) {
      const clock = createFakeClock();
      const sessions = new PeerSessions(clock);
      const first = raw(sessions, { clock });
      first.peer.send(lowHello(1n), resume(1n, { begins: true }));
      const session = await first.opening;
      const changes: string[] = [];
      session.onCarrier(({ kind }) => changes.push(kind));
      first.peer.send({ kind: { case: "detach", value: { next: 2n } } });
      await until("it is left", () => first.peer.closed);
      await clock.advance(1_900);
      assert.deepEqual(changes, []);
      if (comes) {
        const second = raw(sessions, { clock });
        second.peer.send(lowHello(2n), resume(2n));
        assert.equal(await second.opening, session);
      }
      await clock.advance(200);
      assert.deepEqual(changes, [comes ? "stands" : "lost"]);
      session.close({ reason: Reason.SHUTDOWN, message: "Done." });
    }
  });

  test("a late frame of the older carrier never counts", async () => {
    const sessions = new PeerSessions(systemClock);
    const opened: string[] = [];
    const accept = (incoming: IncomingStream): void => void opened.push(incoming.kind);
    const first = raw(sessions, { accept });
    first.peer.send(lowHello(1n), resume(1n, { begins: true }), openFrame(1));
    await first.opening;
    await until("the first one is there", () => opened.length === 1);
    const second = raw(sessions, { accept });
    second.peer.send(lowHello(2n), resume(2n));
    await second.opening;
    assert.equal((await second.peer.hear("resume")).kind.value.received, 1n);
    assert.equal((await first.peer.hear("detach")).kind.value.next, 2n);
    first.peer.send(openFrame(3));
    second.peer.send(openFrame(3));
    await until("the second one is there", () => opened.length === 2);
    assert.equal(second.peer.closed, false);
    (await second.opening).close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("the higher carrier number wins, in whatever order they come", async () => {
    const sessions = new PeerSessions(systemClock);
    const first = raw(sessions);
    first.peer.send(lowHello(5n), resume(5n, { begins: true }));
    const session = await first.opening;
    const late = raw(sessions);
    late.peer.send(lowHello(4n), resume(4n));
    assert.equal(await late.opening, session);
    assert.equal((await late.peer.hear("detach")).kind.value.next, 5n);
    await until("the lower one is left", () => late.peer.closed);
    assert.equal(first.peer.closed, false);
    session.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("a wrong fingerprint and an unknown session get the same answer", async () => {
    const holding = new PeerSessions(systemClock);
    const first = raw(holding);
    first.peer.send(lowHello(1n), resume(1n, { begins: true }));
    const session = await first.opening;
    // What is held with one peer is not there for another, who asks for it by its right id.
    const answers: string[] = [];
    for (const [sessions, id] of [
      [new PeerSessions(systemClock), 7],
      [new PeerSessions(systemClock), 8],
      [holding, 8],
    ] as const) {
      const { peer, opening } = raw(sessions);
      peer.send(lowHello(9n), resume(9n, { session: id }));
      answers.push(JSON.stringify((await peer.hear("resume")).kind.value, (_, value) => String(value)));
      // And then another session begins there.
      peer.send(resume(9n, { session: 3, begins: true }));
      assert.equal((await peer.hear("resume")).kind.value.unknown, false);
      (await opening).close({ reason: Reason.SHUTDOWN, message: "Done." });
    }
    assert.equal(new Set(answers).size, 1);
    assert.match((await session.closed).message, /no longer knows/);
  });

  test("a count that cannot be ends the session", async () => {
    for (const received of [1n, 2n ** 63n]) {
      const sessions = new PeerSessions(systemClock);
      const { peer, opening } = raw(sessions);
      peer.send(lowHello(1n), resume(1n, { received, begins: true }));
      const { value } = (await peer.hear("close")).kind;
      assert.equal(value.reason, Reason.PROTOCOL);
      assert.equal((await (await opening).closed).reason, Reason.PROTOCOL);
    }
  });

  test("replay is bounded: opens wait at 4 MiB that the other end has not acknowledged", async () => {
    const sessions = new PeerSessions(systemClock);
    const { peer, opening } = raw(sessions);
    peer.send(lowHello(1n), resume(1n, { begins: true }));
    const session = await opening;
    const headers = new Headers({ padding: "x".repeat(60_000) });
    // Urgent ones, since others wait for acknowledgements sooner.
    const priority = Priority.INTERACTIVE;
    for (let i = 0; i < 100; i++) session.open({ rpc: { path: "/a.B/C", headers }, priority });
    const opens = (): number => peer.heard.filter(({ kind }) => kind.case === "open").length;
    await until("as many as fit", () => opens() >= 70);
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
    assert.ok(opens() <= 72, `${opens()} opens were sent`);
    peer.send({ kind: { case: "ack", value: { received: BigInt(opens()) } } });
    await until("the rest", () => opens() === 100);
    session.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("replay is bounded: data waits at the link's budget whatever credit was given, and who never acknowledges is left", async () => {
    const clock = createFakeClock();
    const { peer, opening } = raw(new PeerSessions(clock), { clock, limits: { linkBudgetBytes: 5 * mebibyte } });
    peer.send(lowHello(1n), resume(1n, { begins: true }));
    const session = await opening;
    let reason: Reason | undefined;
    void session.closed.then((end) => {
      reason = end.reason;
    });
    // An urgent one, since others wait for acknowledgements sooner.
    const stream = session.open({ rpc: { path: "/a.B/C" }, priority: Priority.INTERACTIVE });
    await peer.hear("open");
    peer.send({ stream: BigInt(stream.id), kind: { case: "credit", value: { bytes: 2n ** 50n } } });
    const piece = new Uint8Array(65_536);
    const writeOn = (): void => {
      while (stream.cut === undefined && stream.write([piece], writeOn));
    };
    writeOn();
    await until("as much as fits is sent", () => session.stats().replayBytes >= 5 * mebibyte);
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
    assert.ok(session.stats().replayBytes < 5 * mebibyte + 200_000, `${session.stats().replayBytes} bytes are kept`);
    const { bytesOut } = session.stats();
    peer.send({ kind: { case: "ack", value: { received: 40n } } });
    await until("it goes on until as much is kept again", () => session.stats().bytesOut > bytesOut + 600_000);
    for (let s = 0; s < 29; s++) {
      peer.send({ kind: { case: "pong", value: { id: 0n } } });
      await clock.advance(1_000);
    }
    assert.equal(reason, undefined);
    for (let s = 0; s < 3; s++) await clock.advance(1_000);
    assert.equal(reason, Reason.NOT_READING);
  });

  test("fuzz: whatever is said of sessions, numbers and counts, nothing hangs, and no living session is harmed unseen", async () => {
    const said = fc.oneof(
      fc
        .record({
          carrier: fc.bigInt({ min: 0n, max: 6n }),
          session: fc.integer({ min: 6, max: 8 }),
          received: fc.bigInt({ min: 0n, max: 4n }),
          begins: fc.boolean(),
        })
        .map(({ carrier, ...rest }) => resume(carrier, rest)),
      fc.constant(openFrame(1)),
      fc.constant(dataFrame(1, Buffer.from("x"))),
      fc
        .record({ received: fc.bigInt({ min: 0n, max: 3n }) })
        .map((value): FrameInit => ({ kind: { case: "ack", value } })),
      fc.constant<FrameInit>({ kind: { case: "detach", value: { next: 3n } } }),
      fc.constant<FrameInit>({ kind: { case: "resume", value: { unknown: true } } }),
    );
    const carrier = fc.record({ number: fc.bigInt({ min: 1n, max: 6n }), frames: fc.array(said, { maxLength: 6 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(carrier, { minLength: 1, maxLength: 5 }), async (carriers) => {
        const clock = createFakeClock();
        const sessions = new PeerSessions(clock);
        const defects: unknown[] = [];
        const opened: Session[] = [];
        for (const { number, frames } of carriers) {
          const { peer, opening } = raw(sessions, { clock, accept: echo, onDefect: (error) => defects.push(error) });
          opening.then(
            (session) => opened.push(session),
            () => undefined,
          );
          peer.send(lowHello(number), ...frames);
          for (let i = 0; i < 8; i++) await new Promise(setImmediate);
          peer.carrier.destroy();
        }
        await clock.advance(80_000);
        for (const session of opened) await session.closed;
        assert.deepEqual(defects, []);
        assert.equal(clock.timers, 0);
      }),
      { numRuns: 150 },
    );
  });

  test("an end that does not know how has a session for each carrier", async () => {
    const sessions = new PeerSessions(systemClock);
    const { peer, opening } = raw(sessions);
    peer.send(rawHello);
    const session = await opening;
    peer.carrier.destroy();
    assert.equal((await session.closed).reason, Reason.CARRIER_LOST);
  });
});
