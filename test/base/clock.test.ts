import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { createFakeClock } from "./fake-clock.ts";

test("a wait longer than 31 bits of milliseconds does not fire at once", (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  let fired = false;
  const timer = systemClock.after(2 ** 31 + 5_000, () => {
    fired = true;
  });
  mock.timers.tick(1_000);
  assert.equal(fired, false);
  timer.cancel();
});

test("a sleep that is aborted rejects with the reason and leaves no timer", async () => {
  const clock = createFakeClock();
  const controller = new AbortController();
  const slept = clock.sleep(1_000, controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(slept, /enough/);
  assert.equal(clock.timers, 0);
});

test("a sleep under a signal that is aborted already does not start", async () => {
  const clock = createFakeClock();
  await assert.rejects(clock.sleep(1, AbortSignal.abort(new Error("too late"))), /too late/);
  assert.equal(clock.timers, 0);
});

test("the machine's clock calls once, and not after it was cancelled", async () => {
  let calls = 0;
  const cancelled = systemClock.after(1, () => {
    calls += 10;
  });
  cancelled.cancel();
  await new Promise<void>((resolve) => {
    systemClock.after(5, () => {
      calls += 1;
      resolve();
    });
  });
  assert.equal(calls, 1);
});

test("the fake clock fires timers in order, each at its own moment, with those that they start", async () => {
  const clock = createFakeClock(0);
  const seen: string[] = [];
  clock.after(30, () => seen.push(`late ${clock.now()}`));
  clock.after(10, () => {
    seen.push(`early ${clock.now()}`);
    clock.after(5, () => seen.push(`nested ${clock.now()}`));
  });
  await clock.advance(29);
  assert.deepEqual(seen, ["early 10", "nested 15"]);
  await clock.advance(1);
  assert.deepEqual(seen, ["early 10", "nested 15", "late 30"]);
});
