import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createKeyedWorker } from "../../src/base/keyed-worker.ts";
import { createFakeClock } from "./fake-clock.ts";

test("one run per key at a time; what was added meanwhile runs once more", async () => {
  const clock = createFakeClock();
  const release: (() => void)[] = [];
  const worker = createKeyedWorker({ clock, run: () => new Promise<void>((resolve) => release.push(resolve)) });
  worker.add("a");
  await clock.advance(0);
  worker.add("a");
  worker.add("a");
  await clock.advance(0);
  assert.equal(release.length, 1);
  release[0]?.();
  await clock.advance(0);
  assert.equal(release.length, 2);
  release[1]?.();
  await clock.advance(0);
  assert.equal(release.length, 2);
  assert.equal(worker.pending, 0);
  await worker.close();
});

test("the work never runs inside the call that adds it", async () => {
  const clock = createFakeClock();
  let runs = 0;
  const worker = createKeyedWorker({
    clock,
    run: async () => {
      runs += 1;
    },
  });
  worker.add("a");
  assert.equal(runs, 0);
  await clock.advance(0);
  assert.equal(runs, 1);
  await worker.close();
});

test("no more runs at once than allowed, and every key gets its turn", async () => {
  const clock = createFakeClock();
  const done: string[] = [];
  let atOnce = 0;
  let most = 0;
  const worker = createKeyedWorker({
    clock,
    concurrency: 3,
    async run(key) {
      most = Math.max(most, ++atOnce);
      await clock.sleep(10);
      atOnce -= 1;
      done.push(key);
    },
  });
  const keys = Array.from({ length: 10 }, (_, index) => `key ${index}`);
  for (const key of keys) worker.add(key);
  await clock.advance(40);
  assert.equal(most, 3);
  assert.deepEqual(done, keys);
  await worker.close();
});

test("a failure is tried again with waits that grow, and counted until it succeeds", async () => {
  const clock = createFakeClock();
  const attempts: number[] = [];
  const at: number[] = [];
  let healthy = false;
  const worker = createKeyedWorker({
    clock,
    minMs: 100,
    maxMs: 1_000,
    async run() {
      at.push(clock.monotonic());
      if (!healthy) throw new Error("not yet");
    },
    onError: (_key, _error, attempt) => attempts.push(attempt),
  });
  worker.add("a");
  await clock.advance(20_000);
  assert.ok(attempts.length >= 20, "never waits longer than maxMs");
  assert.deepEqual(attempts.slice(0, 3), [1, 2, 3]);
  const waits = at.slice(1).map((time, index) => time - (at[index] ?? 0));
  assert.ok(waits.every((wait) => wait >= 100 && wait <= 1_000));
  healthy = true;
  await clock.advance(1_000);
  const settled = at.length;
  await clock.advance(10_000);
  assert.equal(at.length, settled);
  assert.equal(worker.pending, 0);
  await worker.close();
});

test("news about a key cuts its wait after a failure short", async () => {
  const clock = createFakeClock();
  let runs = 0;
  const worker = createKeyedWorker({
    clock,
    minMs: 10_000,
    async run() {
      runs += 1;
      throw new Error("still broken");
    },
  });
  worker.add("a");
  await clock.advance(0);
  worker.add("a");
  await clock.advance(0);
  assert.equal(runs, 2);
  await worker.close();
});

test("a planned run keeps its time, the earliest plan counts, and plans are not pending", async () => {
  const clock = createFakeClock();
  const at: number[] = [];
  const worker = createKeyedWorker({
    clock,
    async run() {
      at.push(clock.monotonic());
      return at.length < 3 ? { againMs: 500 } : undefined;
    },
  });
  worker.add("a", 1_000);
  worker.add("a", 200);
  worker.add("a", 700);
  assert.equal(worker.pending, 0);
  assert.equal(worker.oldestPendingMs(), 0);
  await clock.advance(5_000);
  assert.deepEqual(at, [200, 700, 1_200]);
  assert.equal(clock.timers, 0);
  await worker.close();
});

test("work that keeps failing ages from its first attempt", async () => {
  const clock = createFakeClock();
  const worker = createKeyedWorker({
    clock,
    async run() {
      throw new Error("broken for good");
    },
  });
  worker.add("a");
  await clock.advance(60_000);
  assert.equal(worker.pending, 1);
  assert.equal(worker.oldestPendingMs(), 60_000);
  await worker.close();
});

test("a run that succeeded is not counted as failing while its next one is planned", async () => {
  const clock = createFakeClock();
  let runs = 0;
  const worker = createKeyedWorker({
    clock,
    async run() {
      runs += 1;
      if (runs === 1) throw new Error("only once");
      return { againMs: 60_000 };
    },
  });
  worker.add("a");
  await clock.advance(1_000);
  assert.equal(runs, 2);
  assert.equal(worker.pending, 0);
  assert.equal(worker.oldestPendingMs(), 0);
  await worker.close();
});

test("close aborts what runs, waits for it, and starts nothing more", async () => {
  const clock = createFakeClock();
  const cleanUp = Promise.withResolvers<void>();
  const ended: string[] = [];
  const worker = createKeyedWorker({
    clock,
    concurrency: 1,
    async run(key, signal) {
      await clock.sleep(1_000_000, signal).catch(() => undefined);
      await cleanUp.promise;
      ended.push(key);
    },
  });
  worker.add("running");
  worker.add("waiting");
  worker.add("planned", 5_000);
  await clock.advance(0);
  let closed = false;
  const closing = worker.close().then(() => {
    closed = true;
  });
  worker.add("late");
  await clock.advance(10_000);
  assert.equal(closed, false, "still cleaning up");
  cleanUp.resolve();
  await closing;
  assert.deepEqual(ended, ["running"]);
  assert.equal(clock.timers, 0);
});

test("whatever comes in which order, the last change of each key is seen by a run that began after it", async () => {
  const change = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    afterMs: fc.nat(20),
    thenMs: fc.nat(15),
    fails: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 25 }), async (changes) => {
      const clock = createFakeClock();
      const version = new Map<string, number>();
      const seen = new Map<string, number>();
      const failing = new Set<string>();
      const active = new Set<string>();
      const worker = createKeyedWorker({
        clock,
        concurrency: 2,
        minMs: 5,
        maxMs: 20,
        async run(key) {
          assert.ok(!active.has(key), "two runs of one key at once");
          active.add(key);
          const present = version.get(key) ?? 0;
          await clock.sleep(7);
          active.delete(key);
          if (failing.delete(key)) throw new Error("planted");
          seen.set(key, present);
        },
      });
      for (const { key, afterMs, thenMs, fails } of changes) {
        version.set(key, (version.get(key) ?? 0) + 1);
        if (fails) failing.add(key);
        worker.add(key, afterMs);
        await clock.advance(thenMs);
      }
      await clock.advance(2_000);
      assert.deepEqual([...seen].sort(), [...version].sort());
      assert.equal(worker.pending, 0);
      await worker.close();
    }),
    { numRuns: 30 },
  );
});
