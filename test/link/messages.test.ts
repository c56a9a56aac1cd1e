import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { maxMessageBytes, packMessages } from "../../src/link/messages.ts";

test("messages are the chunks' bytes in order, none empty, none too long", () => {
  const size = fc.oneof(fc.nat(100), fc.nat(20_000), fc.integer({ min: 60_000, max: 200_000 }));
  fc.assert(
    fc.property(fc.array(size, { maxLength: 12 }), (sizes) => {
      const chunks = sizes.map((length, index) => Buffer.alloc(length, index + 1));
      const messages = packMessages(chunks);
      assert.ok(Buffer.concat(messages).equals(Buffer.concat(chunks)));
      assert.ok(messages.every((message) => message.length > 0 && message.length <= maxMessageBytes));
    }),
    { numRuns: 200 },
  );
});

test("small neighbours become one message as long as they fit in 16 KiB", () => {
  const count = (sizes: number[]): number => packMessages(sizes.map((size) => Buffer.alloc(size))).length;
  assert.equal(count([5, 16_000, 379]), 1);
  assert.equal(count([5, 16_000, 380]), 2);
  assert.equal(count([5, 40_000, 5, 5]), 3);
  assert.equal(count([]), 0);
});

test("a large chunk is not copied", () => {
  const chunk = Buffer.alloc(150_000);
  for (const message of packMessages([chunk])) assert.equal(message.buffer, chunk.buffer);
});
