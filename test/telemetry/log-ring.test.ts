import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createLog } from "../../src/telemetry/log.ts";
import { createLogRing } from "../../src/telemetry/log-ring.ts";

const textsOf = (lines: readonly { text: string }[]): string[] => lines.map(({ text }) => text);

test("the latest lines are kept, as many and as long as it says", () => {
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-zé]{1,12}$/), { maxLength: 60 }),
      fc.nat(8),
      fc.nat(40),
      (all, lines, bytes) => {
        const ring = createLogRing({ lines, bytes });
        for (const line of all) ring.add(`${line}\n`);
        const expected: string[] = [];
        for (const line of all.toReversed()) {
          const size = [line, ...expected].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
          if (expected.length === lines || size > bytes) break;
          expected.unshift(line);
        }
        assert.deepEqual(textsOf(ring.after(0)), expected);
        for (const after of [0, 1, all.length - 1, all.length]) {
          const left = ring.after(after);
          assert.deepEqual(
            textsOf(left),
            expected.slice(Math.max(0, expected.length - Math.max(0, all.length - after))),
          );
          for (const { sequence, text } of left) assert.equal(all[sequence - 1], text);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("who waits hears of the next line, and of nothing after they gave up", async () => {
  const ring = createLogRing();
  ring.add("one\n");
  await ring.beyond(0, AbortSignal.timeout(30_000));
  const next = ring.beyond(1, AbortSignal.timeout(30_000));
  ring.add("\n"); // No line.
  ring.add("two\n");
  await next;
  const stop = new AbortController();
  const never = ring.beyond(2, stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(never, /enough/);
  await assert.rejects(ring.beyond(2, stop.signal), /enough/);
});

test("what is kept of the log is what is written of it, with secrets masked", () => {
  const ring = createLogRing();
  const written: string[] = [];
  const log = createLog({ level: "info", write: (line) => written.push(line), keep: (line) => ring.add(line) });
  log.debug({}, "too quiet");
  log.child({ room: "test" }).warn({ token: "flt_1234" }, "careful");
  assert.deepEqual(
    textsOf(ring.after(0)),
    written.map((line) => line.trim()),
  );
  assert.equal(written.length, 1);
  assert.doesNotMatch(ring.after(0)[0]?.text ?? "", /flt_1234/);
});
