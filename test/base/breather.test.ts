import assert from "node:assert/strict";
import { test } from "node:test";
import { createBreather } from "../../src/base/breather.ts";
import { systemClock } from "../../src/base/clock.ts";
import { createKeyedWorker } from "../../src/base/keyed-worker.ts";

/** Work of so many milliseconds that waits for nothing. */
function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Counts turns of the event loop until it is told to stop. */
function countTurns(): () => number {
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  return () => {
    isOver = true;
    return turns;
  };
}

test("a loop that waits for nothing gives way to others every few milliseconds", async () => {
  const breathe = createBreather();
  const stop = countTurns();
  for (let piece = 0; piece < 100; piece += 1) {
    await breathe();
    spin(1);
  }
  const turns = stop();
  assert.ok(turns >= 4, `others had ${turns} turns in 100 ms`);
});

test("short work is not put off", async () => {
  const breathe = createBreather();
  assert.equal(breathe(), undefined);
  assert.equal(breathe(), undefined);
});

test("a worker with much to do that waits for nothing does not hold up the process", async () => {
  let done = 0;
  const worker = createKeyedWorker({
    clock: systemClock,
    run: async () => {
      spin(1);
      done += 1;
    },
  });
  const stop = countTurns();
  for (let key = 0; key < 100; key += 1) worker.add(`${key}`);
  while (done < 100) await new Promise((resolve) => setTimeout(resolve, 1));
  const turns = stop();
  assert.ok(turns >= 4, `others had ${turns} turns in 100 ms`);
  await worker.close();
});
