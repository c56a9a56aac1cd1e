import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const module = new URL("../../src/base/young-heap.ts", import.meta.url).href;

/** Passes 1 GiB of buffers on beside a heap of some size, and prints how often all of that heap was collected, and the memory. */
const load = `
import { constants, PerformanceObserver } from "node:perf_hooks";
const heap = process.argv[1] === "told" ? new (await import(${JSON.stringify(module)})).YoungHeap() : undefined;
const kept = Array.from({ length: 100_000 }, (_, index) => ({ index }));
let collections = 0;
new PerformanceObserver((list) => {
  for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections += 1;
}).observe({ entryTypes: ["gc"] });
let last;
for (let turn = 0; turn < 2_000; turn++) {
  for (let piece = 0; piece < 8; piece++) last = Buffer.from(new ArrayBuffer(65_536));
  heap?.passed(8 * 65_536);
  await new Promise((resolve) => setImmediate(resolve));
}
await new Promise((resolve) => setTimeout(resolve, 20));
const mebibytes = process.memoryUsage().rss / 2 ** 20;
console.log(JSON.stringify({ collections, mebibytes, kept: kept.length + last.length, gc: typeof gc }));
`;

interface Outcome {
  readonly collections: number;
  readonly mebibytes: number;
  readonly gc: string;
  readonly errors: string;
}

async function run(how: "told" | "untold"): Promise<Outcome> {
  const flags = ["--input-type=module", "--eval", load, how];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, flags);
  return { ...(JSON.parse(stdout) as Omit<Outcome, "errors">), errors: stderr };
}

test("buffers that come and go do not have the whole heap collected over and over, and hold less memory", async () => {
  const [told, untold] = await Promise.all([run("told"), run("untold")]);
  assert.ok(told.collections * 4 <= untold.collections, `${told.collections} instead of ${untold.collections}`);
  assert.ok(told.mebibytes < 250, `${told.mebibytes} MiB`);
  assert.equal(told.errors, "", "V8 knows both flags");
  assert.equal(told.gc, "undefined", "nothing else of the process can collect");
});
