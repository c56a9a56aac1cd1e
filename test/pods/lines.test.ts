import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isLater, LineSplitter, longestLine, splitTime } from "../../src/pods/lines.ts";

test("lines come out as they went in, wherever the chunks are cut", () => {
  const line = fc.string({ unit: fc.constantFrom("a", "é", " ", "\r", "2"), maxLength: 20 });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 10 }), fc.array(fc.nat(200), { maxLength: 8 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""));
      const splitter = new LineSplitter();
      const out: string[] = [];
      let from = 0;
      for (const to of [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length]) {
        out.push(...splitter.push(bytes.subarray(from, to)).map(({ text }) => Buffer.from(text).toString()));
        from = to;
      }
      out.push(...splitter.flush().map(({ text }) => Buffer.from(text).toString()));
      assert.deepEqual(out, lines);
    }),
    { numRuns: 300 },
  );
});

test("a line without end is never held whole: it comes in pieces of which only the first begins a line", () => {
  const splitter = new LineSplitter();
  const lines = [];
  for (let i = 0; i < 5; i += 1) lines.push(...splitter.push(Buffer.alloc(longestLine / 2, 0x61)));
  lines.push(...splitter.push(Buffer.from("\nnext\n")));
  assert.equal(
    lines.slice(0, -1).reduce((sum, { text }) => sum + text.length, 0),
    2.5 * longestLine,
  );
  assert.ok(lines.every(({ text }) => text.length <= longestLine));
  assert.deepEqual(
    lines.map(({ begins }) => begins),
    [true, false, false, true],
  );
});

test("a kubelet's time is told from what the app itself has written", () => {
  const split = (text: string, begins = true) => splitTime({ text: Buffer.from(text), begins });
  assert.equal(split("2026-11-21T12:00:00.123456789Z hello").time, "2026-11-21T12:00:00.123456789Z");
  assert.equal(split("2026-11-21T12:00:00+01:00 hello").time, "2026-11-21T12:00:00+01:00");
  for (const text of ["hello there", "2026-11-21 12:00:00 hello", "", " "]) assert.equal(split(text).time, undefined);
  assert.equal(split("2026-11-21T12:00:00Z hello", false).time, undefined);
  assert.ok(isLater("2026-11-21T12:00:00.000000002Z", "2026-11-21T12:00:00.000000001Z"));
  assert.ok(isLater("2026-11-21T12:00:01Z", "2026-11-21T12:00:00.5Z"));
});
