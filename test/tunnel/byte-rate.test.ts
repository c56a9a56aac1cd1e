import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { join } from "../../src/base/join.ts";
import { ByteRate, paceOf } from "../../src/tunnel/byte-rate.ts";
import { createFakeClock } from "../base/fake-clock.ts";

test("bytes beyond a rate wait until they are paid for, and a change of the rate counts at once", async () => {
  const clock = createFakeClock();
  const rate = new ByteRate(clock, 1_000);
  rate.pay(3_000);
  assert.equal(rate.waitMs, 3_000);
  await clock.advance(1_000);
  assert.equal(rate.waitMs, 2_000);
  rate.perSecond = 4_000;
  assert.equal(rate.waitMs, 500);
  rate.perSecond = undefined;
  assert.equal(rate.waitMs, 0);
});

test("what was not used is made up for during a quarter of a second, and no longer", async () => {
  const clock = createFakeClock();
  const rate = new ByteRate(clock, 1_000);
  await clock.advance(60_000);
  rate.pay(250);
  assert.equal(rate.waitMs, 0);
  rate.pay(1);
  assert.equal(rate.waitMs, 1);
});

test("two that share a rate have it once, all bytes arrive in order, and an end after the last of them", async () => {
  const clock = createFakeClock();
  const rate = new ByteRate(clock, 1_000);
  let passed = 0;
  const pieces = Array.from({ length: 20 }, (_, index) => Buffer.alloc(100, index));
  const received = [0, 1].map(() => {
    const [source, near] = duplexPair({ highWaterMark: 200 });
    const [far, sink] = duplexPair({ highWaterMark: 200 });
    void join(near, far, () =>
      paceOf([rate, new ByteRate(clock, undefined)], (bytes) => {
        passed += bytes;
      }),
    );
    for (const piece of pieces) source.write(piece);
    source.end();
    sink.end();
    source.resume();
    return buffer(sink);
  });
  for (let second = 1; second <= 3; second += 1) {
    await clock.advance(1_000);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    assert.ok(passed <= second * 1_000 + 500, `${passed} bytes within ${second} s`);
  }
  for (let waited = 0; waited < 100 && passed < 4_000; waited += 1) {
    await clock.advance(500);
    await turn();
  }
  assert.equal(passed, 4_000);
  for (const bytes of received) assert.deepEqual(await bytes, Buffer.concat(pieces));
  assert.equal(clock.timers, 0, "no timer is left");
});

test("a reader that takes up again does not make a rate that is used up go on", async () => {
  const clock = createFakeClock();
  const rate = new ByteRate(clock, 1_000);
  const [source, near] = duplexPair({ highWaterMark: 100 });
  const [far, sink] = duplexPair({ highWaterMark: 100 });
  let passed = 0;
  void join(near, far, () =>
    paceOf([rate], (bytes) => {
      passed += bytes;
    }),
  );
  for (let piece = 0; piece < 30; piece += 1) source.write(Buffer.alloc(100));
  // Each piece fills what is behind it, and is read at once.
  sink.resume();
  for (let turns = 0; turns < 50; turns += 1) await turn();
  assert.ok(passed <= 400, `${passed} bytes at once`);
  await clock.advance(1_000);
  assert.ok(passed > 800 && passed <= 1_500, `${passed} bytes within a second`);
  for (const end of [source, near, far, sink]) end.destroy();
});

test("who always has something to pass has no more turns than the others, nor has who has much at a time", async () => {
  const clock = createFakeClock();
  const rate = new ByteRate(clock, 1_000);
  const turns: string[] = [];
  const paces = Object.entries({ small: 10, large: 1_300, larger: 700, largest: 2_000 }).map(([name, bytes]) => {
    const pace = paceOf([rate], () => undefined);
    const pass = (): void => {
      turns.push(name);
      // A rate that is not used up stops nobody.
      if (!pace.passed(bytes, pass)) setImmediate(pass);
    };
    pass();
    return pace;
  });
  for (let second = 0; second < 60; second += 1) await clock.advance(1_000);
  const counts = ["small", "large", "larger", "largest"].map((name) => turns.filter((each) => each === name).length);
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join(" "));
  assert.ok(Math.min(...counts) > 10, counts.join(" "));
  for (const pace of paces) pace.end();
  assert.equal(clock.timers, 0, "no timer is left");
});
