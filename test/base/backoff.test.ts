import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createBackoff } from "../../src/base/backoff.ts";

test("waits stay within the least and the longest, whatever chance says", () => {
  const chance = fc.double({ min: 0, max: 0.999_999, noNaN: true });
  fc.assert(
    fc.property(fc.nat(5_000), fc.nat(60_000), fc.array(chance, { maxLength: 40 }), (minMs, above, chances) => {
      let index = 0;
      const backoff = createBackoff({ minMs, maxMs: minMs + above, random: () => chances[index++] ?? 0 });
      for (const _ of chances) {
        const wait = backoff.next();
        assert.ok(wait >= minMs && wait <= minMs + above);
      }
    }),
    { numRuns: 200 },
  );
});

test("the ceiling doubles up to the longest wait and starts over on reset", () => {
  const backoff = createBackoff({ minMs: 1_000, maxMs: 30_000, random: () => 1 });
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(() => backoff.next()),
    [2_000, 4_000, 8_000, 16_000, 30_000, 30_000],
  );
  backoff.reset();
  assert.equal(backoff.next(), 2_000);
});

test("two that fail together wait differently", () => {
  const [a, b] = [createBackoff({ minMs: 1_000, maxMs: 30_000 }), createBackoff({ minMs: 1_000, maxMs: 30_000 })];
  const waits = Array.from({ length: 10 }, () => [a.next(), b.next()]);
  assert.ok(waits.some(([left, right]) => left !== right));
});

test("a backoff that starts from nothing still grows", () => {
  const backoff = createBackoff({ minMs: 0, maxMs: 8, random: () => 1 });
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(() => backoff.next()),
    [0, 1, 2, 4, 8, 8],
  );
});
