import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "../../src/base/duration.ts";

test("a length of time is whole numbers with a unit each", () => {
  assert.equal(parseDuration("8h"), 8 * 3_600_000);
  assert.equal(parseDuration("8h30m"), 8.5 * 3_600_000);
  assert.equal(parseDuration("30d"), 30 * 86_400_000);
  assert.equal(parseDuration("90s"), 90_000);
  assert.equal(parseDuration("0s"), 0);
  for (const text of ["", "8", "h", "8 h", "-8h", "1.5h", "8H", "8w", "1234567s", "8h ", "1s".repeat(40)]) {
    assert.equal(parseDuration(text), undefined, JSON.stringify(text));
  }
});

test("a length of time is written with the largest units that it fills", () => {
  assert.equal(formatDuration(8 * 3_600_000), "8h");
  assert.equal(formatDuration(90_000), "1m30s");
  assert.equal(formatDuration(86_400_000 + 60_000), "1d1m");
  assert.equal(formatDuration(1), "1s");
  assert.equal(formatDuration(0), "0s");
  assert.equal(formatDuration(-5), "0s");
});

test("what is written is read as the same", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 900_000 * 86_400 }), (seconds) => {
      assert.equal(parseDuration(formatDuration(seconds * 1_000)), seconds * 1_000);
    }),
  );
});
