import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { abortable, startDeadline } from "../../src/base/abort.ts";
import { createFakeClock } from "./fake-clock.ts";

test("what is waited for under a signal settles as it would, and leaves no listener", async () => {
  const { signal } = new AbortController();
  assert.equal(await abortable(Promise.resolve(7), signal), 7);
  await assert.rejects(abortable(Promise.reject(new Error("its own")), signal), /its own/);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("an abort ends the waiting with the signal's reason, and a late failure is nobody's", async () => {
  const controller = new AbortController();
  const late = Promise.withResolvers<void>();
  const waiting = abortable(late.promise, controller.signal);
  controller.abort(new Error("changed my mind"));
  await assert.rejects(waiting, /changed my mind/);
  late.reject(new Error("unheard"));
  await assert.rejects(abortable(new Promise(() => undefined), controller.signal), /changed my mind/);
});

test("a deadline aborts in time with its reason, and not once it was cancelled", async () => {
  const clock = createFakeClock();
  const kept = startDeadline(clock, 100, () => new Error("too slow"));
  const cancelled = startDeadline(clock, 100, () => new Error("too slow"));
  cancelled.cancel();
  await clock.advance(99);
  assert.equal(kept.signal.aborted, false);
  await clock.advance(1);
  assert.match(String(kept.signal.reason), /too slow/);
  assert.equal(cancelled.signal.aborted, false);
});

test("a deadline passes its parent's abort on, and leaves nothing on a parent that lives", async () => {
  const clock = createFakeClock();
  const parent = new AbortController();
  startDeadline(clock, 100, () => new Error("too slow"), parent.signal).cancel();
  startDeadline(clock, 10, () => new Error("too slow"), parent.signal);
  await clock.advance(10);
  assert.equal(getEventListeners(parent.signal, "abort").length, 0);
  const child = startDeadline(clock, 100, () => new Error("too slow"), parent.signal);
  parent.abort(new Error("from above"));
  assert.match(String(child.signal.reason), /from above/);
  const late = startDeadline(clock, 100, () => new Error("too slow"), parent.signal);
  assert.match(String(late.signal.reason), /from above/);
  assert.equal(clock.timers, 0);
});
