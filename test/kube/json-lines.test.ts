import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CutLineError, readJsonLines } from "../../src/kube/json-lines.ts";
import { collect } from "./fake-server.ts";

async function* chunked(bytes: Buffer, cuts: number[]): AsyncGenerator<Uint8Array> {
  const points = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let index = 1; index < points.length; index += 1) yield bytes.subarray(points[index - 1], points[index]);
}

test("lines are the same however the stream is cut, also inside of a character", async () => {
  const values = fc.array(
    fc.record({ text: fc.string({ unit: "grapheme" }), n: fc.integer() }, { noNullPrototype: true }),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(values, fc.array(fc.nat(), { maxLength: 30 }), async (lines, cuts) => {
      const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
      assert.deepEqual(await collect(readJsonLines(chunked(bytes, cuts), 1 << 20)), lines);
    }),
    { numRuns: 200 },
  );
});

test("a stream that ends in the middle of a line is no orderly end, and what was whole before is given", async () => {
  const got: unknown[] = [];
  await assert.rejects(async () => {
    for await (const value of readJsonLines(chunked(Buffer.from('{"a":1}\n{"b":'), [3, 9]), 1000)) got.push(value);
  }, CutLineError);
  assert.deepEqual(got, [{ a: 1 }]);
});

test("a line without end is refused before it fills the memory", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    while (true) yield Buffer.alloc(1000, "x");
  }
  await assert.rejects(collect(readJsonLines(endless(), 10_000)), RangeError);
});
