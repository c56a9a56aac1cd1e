import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import { suite, test } from "node:test";
import fc from "fast-check";
import { Reason, StreamError } from "../../src/wire/reason.ts";
import type { Session } from "../../src/wire/session.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { until } from "../patience.ts";
import { breakable, echo, twoEnds } from "./carriers.ts";
import { hello, service } from "./pair.ts";

function bytes(length: number, seed: number): Buffer {
  const made = Buffer.allocUnsafe(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    made[i] = state >>> 24;
  }
  return made;
}

const hash = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

/** Writes all of it, ends, and returns all that comes until the end. */
async function exchange(stream: Duplex, data: Buffer): Promise<Buffer> {
  const got: Buffer[] = [];
  const ended = Promise.withResolvers<void>();
  stream.on("data", (chunk: Buffer) => got.push(chunk));
  stream.once("end", ended.resolve);
  stream.once("error", ended.reject);
  for (let at = 0; at < data.length; at += 10_000) stream.write(data.subarray(at, at + 10_000));
  stream.end();
  await ended.promise;
  return Buffer.concat(got);
}

suite("a session outlives its carriers", () => {
  test("streams do not notice that carriers break after any byte: none lost, none doubled, none reset", async () => {
    const cut = fc.record({ up: fc.integer({ min: 1, max: 120_000 }), down: fc.integer({ min: 1, max: 120_000 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { minLength: 1, maxLength: 12 }), fc.nat(), async (cuts, seed) => {
        const ends = twoEnds({ acceptHigh: echo, acceptLow: echo });
        // The first carrier stands until the streams are open, so that there is a session to go on with.
        const [nearEnd, farEnd] = breakable();
        const { low, high } = await ends.join([nearEnd, farEnd]);
        const sizes = [300_000, 70_000, 1, 150_000];
        const sent = sizes.map((size, i) => bytes(size, seed + i));
        const streams = await Promise.all(sizes.map((_, i) => (i % 2 === 0 ? low : high).dial(service("echo"))));
        const exchanges = streams.map((stream, i) => exchange(stream, sent[i] ?? Buffer.alloc(0)));
        nearEnd.destroy();
        for (const { up, down } of cuts) {
          const [near, far] = breakable(up, down);
          const joined = await ends.join([near, far]).catch(() => undefined);
          if (joined !== undefined) assert.ok(joined.low === low && joined.high === high);
          if (joined !== undefined) {
            await until("it breaks", () => near.destroyed || low.stats().open.normal + high.stats().open.normal === 0);
          }
          near.destroy();
        }
        const last = await ends.join();
        assert.ok(last.low === low && last.high === high);
        const got = await Promise.all(exchanges);
        assert.deepEqual(got.map(hash), sent.map(hash));
        low.close({ reason: Reason.SHUTDOWN, message: "Done." });
        assert.equal((await high.closed).by, "them");
      }),
      { numRuns: 25 },
    );
  });

  test("so from the first byte of the first carrier on, whatever of Hello and Resume was heard", async () => {
    const some = fc.integer({ min: 1, max: 300 });
    const cuts = fc.array(fc.record({ up: some, down: some }), { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(cuts, async (broken) => {
        const ends = twoEnds({ acceptHigh: echo });
        let first: Session | undefined;
        let exchanged: Promise<Buffer> | undefined;
        const begin = (): void => {
          first = ends.lowSessions.find(hello(2).instance);
          exchanged ??= first?.dial(service("echo")).then((stream) => exchange(stream, bytes(2_000, 5)));
        };
        for (const { up, down } of broken) {
          const [near, far] = breakable(up, down);
          const joining = ends.join([near, far]).catch(() => undefined);
          await until("it breaks, or all has come", () => {
            if (first === undefined) begin();
            return near.destroyed || first?.stats().open.normal === 0;
          });
          near.destroy();
          await joining;
        }
        const { low } = await ends.join();
        assert.equal(low, first ?? low);
        if (exchanged === undefined) begin();
        assert.equal(hash((await exchanged) ?? Buffer.alloc(0)), hash(bytes(2_000, 5)));
        low.close({ reason: Reason.SHUTDOWN, message: "Done." });
      }),
      { numRuns: 100 },
    );
  });

  test("what is written while there is no carrier goes with the next one", async () => {
    const ends = twoEnds({ acceptHigh: echo });
    const [near, far] = breakable();
    const { low } = await ends.join([near, far]);
    near.destroy();
    far.destroy();
    await until("it is gone", () => near.destroyed && far.destroyed);
    const dialling = low.dial(service("echo"));
    await ends.join();
    assert.equal(String(await exchange(await dialling, Buffer.from("later"))), "later");
    low.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("after 60 s without a carrier every stream is reset with a reason, at both ends", async () => {
    const clock = createFakeClock();
    const accepted: Duplex[] = [];
    const ends = twoEnds({
      clock,
      acceptHigh: (incoming) => void (incoming.kind === "dial" && accepted.push(incoming.accept())),
    });
    const [near, far] = breakable();
    const { low, high } = await ends.join([near, far]);
    const stream = await low.dial(service("x"));
    const errors: unknown[] = [];
    for (const one of [stream, ...accepted]) one.on("error", (error) => errors.push(error));
    near.destroy();
    await until("both have seen it", () => far.destroyed);
    await clock.advance(59_000);
    assert.equal(errors.length, 0);
    await clock.advance(1_100);
    for (const session of [low, high]) {
      const end = await session.closed;
      assert.equal(end.reason, Reason.SESSION_LOST);
      assert.match(end.message, /lost.* within 60 s/);
    }
    await until("both ends are told", () => errors.length === 2);
    for (const error of errors) assert.ok(error instanceof StreamError && error.reason === Reason.SESSION_LOST);
    const { low: next } = await ends.join();
    assert.notEqual(next, low);
    next.close({ reason: Reason.SHUTDOWN, message: "Done." });
    await clock.advance(3_000);
    assert.equal(clock.timers, 0);
  });

  test("when the other end lost its state, every stream is reset with a reason, and another session begins on the carrier", async () => {
    const ends = twoEnds({ acceptHigh: echo });
    const [near, far] = breakable();
    const { low, high } = await ends.join([near, far]);
    const stream = await low.dial(service("echo"));
    const broken = new Promise<unknown>((resolve) => void stream.once("error", resolve));
    near.destroy();
    await until("both have seen it", () => far.destroyed);
    high.close({ reason: Reason.SHUTDOWN, message: "It is gone, and nobody hears it." });
    const next = await ends.join();
    const error = await broken;
    assert.ok(error instanceof StreamError && error.reason === Reason.SESSION_LOST);
    assert.ok(next.low !== low && next.high !== high);
    assert.deepEqual(Buffer.from(next.low.id), Buffer.from(next.high.id));
    assert.equal(String(await exchange(await next.low.dial(service("echo")), Buffer.from("anew"))), "anew");
    next.low.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("what was served is not served again when one end gave the session up before the other heard that it had begun", async () => {
    let lost = 0;
    for (let heard = 1; heard < 150; heard++) {
      let accepted = 0;
      const ends = twoEnds({
        acceptHigh(incoming) {
          accepted += 1;
          echo(incoming);
        },
      });
      const [near, far] = breakable(Number.POSITIVE_INFINITY, heard);
      const joining = ends.join([near, far]).catch(() => undefined);
      await until("low begins", () => near.destroyed || ends.lowSessions.find(hello(2).instance) !== undefined);
      const low = ends.lowSessions.find(hello(2).instance);
      const dialling = low?.dial(service("echo")).then(
        (stream) => stream.on("error", () => undefined),
        (error: unknown) => error,
      );
      await until("it is asked, or never can be", () => accepted === 1 || near.destroyed);
      near.destroy();
      await joining;
      ends.highSessions.find(hello(1).instance)?.close({ reason: Reason.SHUTDOWN, message: "Nobody hears it." });
      const before = accepted;
      const next = await ends.join();
      if (before === 1) {
        const answer = await dialling;
        assert.notEqual(next.low, low);
        if (answer instanceof StreamError) assert.equal(answer.reason, Reason.SESSION_LOST);
        assert.equal(accepted, 1);
        lost += 1;
      }
      next.low.close({ reason: Reason.SHUTDOWN, message: "Done." });
    }
    assert.ok(lost > 0, "it was never served before it was given up");
  });

  test("a session that was closed is not gone on with", async () => {
    const ends = twoEnds({ acceptHigh: echo });
    const { low, high } = await ends.join();
    high.close({ reason: Reason.SHUTDOWN, message: "Done." });
    assert.deepEqual([(await low.closed).by, (await low.closed).reason], ["them", Reason.SHUTDOWN]);
    const next = await ends.join();
    assert.ok(next.low !== low && next.high !== high);
    next.low.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("a carrier that is silent, or takes nothing, is given up, and not the session", async () => {
    const clock = createFakeClock();
    const ends = twoEnds({ clock, acceptHigh: echo });
    const [near, far] = breakable();
    const { low, high } = await ends.join([near, far]);
    near.pause();
    far.pause();
    await clock.advance(50_000);
    const next = await ends.join();
    assert.ok(next.low === low && next.high === high);
    assert.equal(near.destroyed && far.destroyed, true);
    low.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });

  test("two carriers at once: both ends keep the same one, and no call is lost", async () => {
    const ends = twoEnds({ acceptHigh: echo, acceptLow: echo });
    const joined = await Promise.all([ends.join(), ends.join(), ends.join()]);
    const { low, high } = joined[0];
    for (const each of joined) assert.ok(each.low === low && each.high === high);
    const dialled = await Promise.all([low.dial(service("echo")), high.dial(service("echo"))]);
    const got = await Promise.all(dialled.map((stream) => exchange(stream, Buffer.from("hello"))));
    assert.deepEqual(got.map(String), ["hello", "hello"]);
    low.close({ reason: Reason.SHUTDOWN, message: "Done." });
  });
});
