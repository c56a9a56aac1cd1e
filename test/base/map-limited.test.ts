import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { mapLimited } from "../../src/base/map-limited.ts";

test("results stand as their items do, and no more than so many are made at once", async () => {
  let running = 0;
  let most = 0;
  const results = await mapLimited([5, 1, 4, 2, 3], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    for (let turn = 0; turn < item; turn += 1) await setImmediate();
    running -= 1;
    return item * 10;
  });
  assert.deepEqual([results, most], [[50, 10, 40, 20, 30], 2]);
  assert.deepEqual(await mapLimited([], 2, async () => 1), []);
});

test("after one that rejects none begins, and that is what is heard", async () => {
  const begun: number[] = [];
  const made = mapLimited([1, 2, 3, 4], 1, async (item) => {
    begun.push(item);
    if (item === 2) throw new Error("two");
  });
  await assert.rejects(made, /two/);
  assert.deepEqual(begun, [1, 2]);
});
