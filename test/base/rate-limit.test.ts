import assert from "node:assert/strict";
import { test } from "node:test";
import { createRateLimit } from "../../src/base/rate-limit.ts";
import { createFakeClock } from "./fake-clock.ts";

test("a burst passes at once, then so many in a second, and a pause saves up one burst and no more", async () => {
  const clock = createFakeClock();
  const limit = createRateLimit({ clock, burst: 3, perSecond: 2 });
  const takeAll = (): number => {
    for (let count = 0; ; count += 1) if (!limit.take()) return count;
  };
  assert.equal(takeAll(), 3);
  await clock.advance(499);
  assert.equal(takeAll(), 0);
  await clock.advance(1);
  assert.equal(takeAll(), 1);
  await clock.advance(60_000);
  assert.equal(takeAll(), 3);
});
