import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { suite, test } from "node:test";
import { Keepalive } from "../../src/wire/keepalive.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { Reason, reasonName } from "../../src/wire/reason.ts";
import { openSession } from "../../src/wire/session.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";
import { hello, never, openPair } from "./pair.ts";
import { openRaw, RawPeer } from "./raw-peer.ts";

function watch(random = 0) {
  const clock = createFakeClock();
  const pings: number[] = [];
  const deaths: string[] = [];
  const startedAt = clock.monotonic();
  const keepalive = new Keepalive({
    clock,
    limits: defaultLimits,
    random: () => random,
    ping: () => pings.push((clock.monotonic() - startedAt) / 1000),
    dead: (reason) => deaths.push(`${reasonName(reason)} ${(clock.monotonic() - startedAt) / 1000}`),
  });
  return { clock, pings, deaths, keepalive };
}

/** A clock whose timers fire late after a pause, as those of a process do that was held. */
function createHeldClock(): { clock: FakeClock; pause(ms: number): Promise<void> } {
  const inner = createFakeClock();
  let pausedMs = 0;
  return {
    clock: { ...inner, monotonic: () => inner.monotonic() + pausedMs },
    async pause(ms) {
      pausedMs += ms;
      await inner.advance(3_000);
    },
  };
}

suite("liveness", () => {
  test("a link that is quiet for 15 s is asked, and dead after 45 s", async () => {
    const { clock, pings, deaths } = watch();
    await clock.advance(14_900);
    assert.deepEqual([pings, deaths], [[], []]);
    await clock.advance(200);
    assert.deepEqual(pings, [15]);
    await clock.advance(29_000);
    assert.deepEqual(deaths, []);
    await clock.advance(6_000);
    assert.equal(deaths.length, 1);
    assert.match(deaths[0] ?? "", /^SILENT 4[5-9]/);
    assert.equal(clock.timers, 0);
  });

  test("links do not ask all at once", async () => {
    const { clock, pings } = watch(0.5);
    await clock.advance(14_000);
    assert.deepEqual(pings, [13.5]);
  });

  test("any received byte counts, and not the answer to the ping alone", async () => {
    const { clock, deaths, keepalive } = watch();
    for (let i = 0; i < 20; i++) {
      await clock.advance(14_000);
      keepalive.heard();
    }
    assert.deepEqual(deaths, []);
  });

  test("a write without progress for 10 s is death, while the other end still talks", async () => {
    const { clock, deaths, keepalive } = watch();
    keepalive.moved(true);
    for (let i = 0; i < 9; i++) {
      await clock.advance(1_000);
      keepalive.heard();
    }
    assert.deepEqual(deaths, []);
    for (let i = 0; i < 5; i++) {
      await clock.advance(1_000);
      keepalive.heard();
    }
    assert.match(deaths[0] ?? "", /^STALLED 1[0-3]/);
  });

  test("a slow write that moves now and then is life", async () => {
    const { clock, deaths, keepalive } = watch();
    for (let i = 0; i < 20; i++) {
      keepalive.moved(true);
      await clock.advance(8_000);
      keepalive.heard();
    }
    assert.deepEqual(deaths, []);
  });

  test("a process that did not run for a while takes nobody for dead before it has listened again", async () => {
    const held = createHeldClock();
    const deaths: Reason[] = [];
    const keepalive = new Keepalive({
      clock: held.clock,
      limits: defaultLimits,
      ping: () => undefined,
      dead: (reason) => deaths.push(reason),
    });
    keepalive.moved(true);
    await held.clock.advance(2_000);
    // Timers are first to run after a pause, before anything is read or written.
    await held.pause(60_000);
    assert.deepEqual(deaths, []);
    await held.clock.advance(20_000);
    assert.deepEqual(deaths, [Reason.STALLED], "but then what was dead is found out as always");
  });

  test("a machine that slept asks at once, and waits 10 s for the answer; whoever answers lives", async () => {
    for (const answers of [true, false]) {
      const { clock, pings, deaths, keepalive } = watch();
      keepalive.heard();
      await clock.advance(1_000);
      clock.jump(3_600_000);
      await clock.advance(3_000);
      assert.equal(pings.length, 1, "it was quiet for a few seconds only, as it seems");
      if (answers) keepalive.ponged(1);
      if (answers) keepalive.heard();
      await clock.advance(8_000);
      assert.deepEqual(deaths, []);
      await clock.advance(5_000);
      assert.equal(deaths.length, answers ? 0 : 1);
      if (!answers) assert.match(deaths[0] ?? "", /^SILENT 1[2-5]/);
      keepalive.close();
    }
  });

  test("a process that was held for long asks at once too, although it had asked before", async () => {
    const held = createHeldClock();
    const pings: number[] = [];
    const deaths: Reason[] = [];
    const keepalive = new Keepalive({
      clock: held.clock,
      limits: defaultLimits,
      random: () => 0,
      ping: (id) => pings.push(id),
      dead: (reason) => deaths.push(reason),
    });
    await held.clock.advance(16_000);
    assert.deepEqual(pings, [1]);
    await held.pause(60_000);
    assert.deepEqual([pings, deaths], [[1, 2], []]);
    await held.clock.advance(14_000);
    assert.deepEqual(deaths, [Reason.SILENT]);
    keepalive.close();
  });

  test("a clock that is set, forth or back, is no reason for anything but a question", async () => {
    const { clock, pings, deaths, keepalive } = watch();
    for (const ms of [60_000, -120_000, 86_400_000]) {
      clock.jump(ms);
      await clock.advance(5_000);
      keepalive.heard();
      await clock.advance(5_000);
      keepalive.heard();
    }
    assert.deepEqual(deaths, []);
    assert.ok(pings.length <= 2, "set back it does not even ask");
    keepalive.close();
  });

  test("two sessions with nothing to say keep each other alive", async () => {
    const clock = createFakeClock();
    const pair = await openPair({ clock });
    let ended = 0;
    void pair.low.closed.then(() => ended++);
    void pair.high.closed.then(() => ended++);
    for (let i = 0; i < 100; i++) await clock.advance(5_000);
    assert.equal(ended, 0);
    assert.ok((pair.low.stats().roundTripMs ?? -1) >= 0);
    await pair.close();
    await clock.advance(3_000);
    assert.equal(clock.timers, 0);
  });

  test("a session whose other end has fallen silent ends, and says why", async () => {
    const clock = createFakeClock();
    const { session } = await openRaw({ clock });
    let reason: Reason | undefined;
    void session.closed.then((end) => {
      reason = end.reason;
    });
    for (let i = 0; i < 44 && reason === undefined; i++) await clock.advance(1_000);
    assert.equal(reason, undefined);
    for (let i = 0; i < 8 && reason === undefined; i++) await clock.advance(1_000);
    assert.equal(reason, Reason.SILENT);
  });

  test("a session whose connection takes nothing ends, and says why", async () => {
    const clock = createFakeClock();
    const { session, peer } = await openRaw({ clock });
    // The peer talks on, and reads no more.
    peer.carrier.pause();
    const stream = session.open({ rpc: { path: "/a/b" } });
    stream.write([new Uint8Array(200_000)], () => undefined);
    let reason: Reason | undefined;
    void session.closed.then((end) => {
      reason = end.reason;
    });
    for (let i = 0; i < 20 && reason === undefined; i++) {
      peer.send({ kind: { case: "pong", value: { id: 0n } } });
      await clock.advance(1_000);
    }
    assert.equal(reason, Reason.STALLED);
  });

  test("an end that says no Hello within 10 s is cut", async () => {
    const clock = createFakeClock();
    const [carrier, other] = duplexPair();
    const peer = new RawPeer(other);
    const opening = openSession({ carrier, side: "low", hello: hello(1), clock, accept: () => undefined }, never).then(
      () => undefined,
      (error: { reason?: Reason }) => error.reason,
    );
    await clock.advance(9_900);
    assert.equal(peer.closed, false);
    await clock.advance(200);
    assert.equal(await opening, Reason.HELLO_TIMEOUT);
    assert.equal((await peer.hear("close")).kind.value.reason, Reason.HELLO_TIMEOUT);
    await clock.advance(3_000);
    assert.equal(carrier.destroyed, true);
    assert.equal(clock.timers, 0);
  });

  test("a connection that sends a byte now and then, and never a Hello, is cut all the same", async () => {
    const clock = createFakeClock();
    const [carrier, other] = duplexPair();
    other.on("error", () => undefined);
    const opening = openSession({ carrier, side: "low", hello: hello(1), clock, accept: () => undefined }, never).then(
      () => undefined,
      (error: { reason?: Reason }) => error.reason,
    );
    other.write(Uint8Array.from([0xff, 0x07]));
    for (let i = 0; i < 11; i++) {
      other.write(Uint8Array.from([1]));
      await clock.advance(1_000);
    }
    assert.equal(await opening, Reason.HELLO_TIMEOUT);
  });
});
