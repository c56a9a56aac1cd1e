import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { Inbox } from "../../src/wire/inbox.ts";
import { Priority, Scheduler, type Turn } from "../../src/wire/scheduler.ts";
import { Weight } from "../../src/wire/weight.ts";

/** Has so many frames of so many bytes to send, and writes down when it sends one. */
function turn(name: string, priority: Priority, frames: number, log: string[], light = true): Turn {
  let left = frames;
  return {
    priority,
    waiting: false,
    isLight: () => light,
    take(out, maxData) {
      left -= 1;
      log.push(name);
      const frame = new Uint8Array(Math.min(100, maxData));
      out.push(frame);
      return frame.length;
    },
    sendable: () => left > 0,
  };
}

suite("who goes first", () => {
  test("control, then interactive, then normal, then bulk", () => {
    const log: string[] = [];
    const scheduler = new Scheduler();
    scheduler.ready(turn("bulk", Priority.BULK, 1, log));
    scheduler.ready(turn("unsaid", Priority.UNSPECIFIED, 1, log));
    scheduler.ready(turn("normal", Priority.NORMAL, 1, log));
    scheduler.ready(turn("interactive", Priority.INTERACTIVE, 1, log));
    scheduler.ready(turn("control", Priority.CONTROL, 1, log));
    scheduler.pull([], 10_000, 65_536);
    assert.deepEqual(log, ["control", "interactive", "unsaid", "normal", "bulk"]);
  });

  test("streams of one class take turns, a frame each", () => {
    const log: string[] = [];
    const scheduler = new Scheduler();
    scheduler.ready(turn("a", Priority.NORMAL, 3, log));
    scheduler.ready(turn("b", Priority.NORMAL, 2, log));
    scheduler.ready(turn("c", Priority.NORMAL, 1, log));
    scheduler.pull([], 10_000, 65_536);
    assert.deepEqual(log.join(""), "abcaba");
  });

  test("a stream that becomes ready goes before the rest of a lower class", () => {
    const log: string[] = [];
    const scheduler = new Scheduler();
    scheduler.ready(turn("bulk", Priority.BULK, 4, log));
    scheduler.pull([], 200, 65_536);
    scheduler.ready(turn("key", Priority.INTERACTIVE, 1, log));
    scheduler.pull([], 10_000, 65_536);
    assert.deepEqual(log, ["bulk", "bulk", "key", "bulk", "bulk"]);
  });

  test("a stream that has sent little lately goes before those that fill the pipe", () => {
    const log: string[] = [];
    const scheduler = new Scheduler();
    scheduler.ready(turn("download", Priority.NORMAL, 3, log, false));
    scheduler.ready(turn("key", Priority.NORMAL, 1, log));
    scheduler.ready(turn("image", Priority.BULK, 1, log));
    const out: Uint8Array[] = [];
    assert.equal(scheduler.pull(out, 10_000, 65_536, "light"), 100);
    assert.equal(scheduler.bulkWaits, true);
    assert.equal(scheduler.pull(out, 10_000, 65_536, "urgent"), 0);
    scheduler.pull(out, 10_000, 65_536);
    assert.deepEqual(log, ["key", "download", "download", "download", "image"]);
  });

  test("many that send little leave turns to one that sends much", () => {
    const log: string[] = [];
    const scheduler = new Scheduler();
    scheduler.ready(turn("download", Priority.NORMAL, 3, log, false));
    for (let at = 0; at < 10; at++) scheduler.ready(turn("little", Priority.NORMAL, 1_000, log));
    scheduler.pull([], 400_000, 65_536);
    assert.equal(log.filter((name) => name === "download").length, 3);
  });

  test("a stream is light as long as it sends less than 1 Mbit/s, and again after a pause", () => {
    const weight = new Weight();
    for (let at = 0; at < 10_000; at += 2) {
      assert.equal(weight.isLight(at), true);
      weight.add(200);
    }
    weight.add(65_536);
    assert.equal(weight.isLight(10_001), false);
    assert.equal(weight.isLight(11_000), true);
  });

  test("pulling stops where there is no more room, cuts no frame for it, and a stream stands in line once", () => {
    const log: string[] = [];
    const scheduler = new Scheduler();
    const one = turn("a", Priority.NORMAL, 100, log);
    scheduler.ready(one);
    scheduler.ready(one);
    assert.equal(scheduler.pull([], 250, 65_536), 300);
    assert.equal(log.length, 3);
  });
});

suite("what was not read yet", () => {
  test("comes out in order and whole, however it came in", () => {
    const piece = fc.tuple(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 20 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const inbox = new Inbox();
        const written: Buffer[] = [];
        const read: Uint8Array[] = [];
        let bytes = 0;
        for (const [size, pinned, readOne] of pieces) {
          const part = new Uint8Array(size * pinned).subarray(0, size).fill(written.length);
          written.push(Buffer.from(part));
          inbox.push(part);
          bytes += size;
          const out = readOne ? inbox.shift() : undefined;
          if (out !== undefined) {
            bytes -= out.length;
            read.push(out);
          }
          assert.equal(inbox.bytes, bytes);
        }
        for (let out = inbox.shift(); out !== undefined; out = inbox.shift()) read.push(out);
        assert.deepEqual(Buffer.concat(read), Buffer.concat(written));
        assert.equal(inbox.bytes, 0);
      }),
      { numRuns: 200 },
    );
  });

  test("a quarter of a million single bytes cost little more than their number", () => {
    const inbox = new Inbox();
    const chunk = new Uint8Array(64 * 1024);
    for (let i = 0; i < 256 * 1024; i++) inbox.push(chunk.subarray(i % chunk.length, (i % chunk.length) + 1));
    let pieces = 0;
    let held = 0;
    for (let piece = inbox.shift(); piece !== undefined; piece = inbox.shift()) {
      pieces += 1;
      held += piece.buffer.byteLength;
    }
    assert.ok(pieces < 50, `${pieces} pieces`);
    assert.ok(held < 300 * 1024, `${held} bytes are held`);
  });
});
