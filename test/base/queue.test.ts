import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Queue } from "../../src/base/queue.ts";

async function collect<T>(queue: Queue<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

test("what was pushed is read in order, also what waited when the queue closed", async () => {
  const queue = new Queue<number>(10);
  queue.push(1);
  queue.push(2);
  const read = collect(queue);
  queue.push(3);
  queue.close();
  assert.deepEqual(await read, [1, 2, 3]);
});

test("a full queue says so and takes nothing, until the reader makes room", async () => {
  const queue = new Queue<number>(2);
  assert.deepEqual([queue.push(1), queue.push(2), queue.push(3)], [true, true, false]);
  const reader = queue[Symbol.asyncIterator]();
  assert.equal((await reader.next()).value, 1);
  assert.equal(queue.push(4), true);
  assert.equal(queue.size, 2);
});

test("an error is thrown after what was pushed before it", async () => {
  const queue = new Queue<string>(2);
  queue.push("last words");
  queue.close(new Error("broken"));
  const reader = queue[Symbol.asyncIterator]();
  assert.equal((await reader.next()).value, "last words");
  await assert.rejects(reader.next(), /broken/);
  assert.equal((await reader.next()).done, true);
});

test("a reader that leaves closes the queue, so that its writer learns of it", async () => {
  const queue = new Queue<number>(5);
  queue.push(1);
  queue.push(2);
  for await (const _ of queue) break;
  assert.equal(queue.push(3), false);
  assert.equal(queue.size, 0);
});

test("a second reader is refused", async () => {
  const queue = new Queue<number>(5);
  queue.close();
  await collect(queue);
  await assert.rejects(collect(queue), /has a reader/);
});

test("undefined is an item like any other", async () => {
  const queue = new Queue<undefined>(5);
  queue.push(undefined);
  queue.close();
  assert.deepEqual(await collect(queue), [undefined]);
});

test("no interleaving of writes and reads loses, doubles or reorders an item", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(9), { maxLength: 60 }), fc.integer({ min: 1, max: 7 }), async (bursts, limit) => {
      const queue = new Queue<number>(limit);
      const taken: number[] = [];
      let next = 0;
      const read = collect(queue);
      for (const burst of bursts) {
        for (let count = 0; count < burst; count += 1) if (queue.push(next)) taken.push(next++);
        await Promise.resolve();
      }
      queue.close();
      assert.deepEqual(await read, taken);
    }),
    { numRuns: 100 },
  );
});
