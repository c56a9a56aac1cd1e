/** The link on a network where everything happens: `make simulate SEEDS=…` repeats what is found here, or looks further. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Flow } from "./ledger.ts";
import { simulate } from "./simulate.ts";

/** Or as many as 90 s are enough for; about 50 s of one processor. */
const seeds = 2_000;
const longestMs = 90_000;
const expectations = { resume: true };
/** Two agents of which neither resumes must get along as well. */
const seedsWithoutResume = 150;

async function logOf(seed: number): Promise<string> {
  let lines = "";
  await simulate({ seed, expectations, log: (line) => (lines += `${line}\n`) });
  return lines;
}

test("the same seed gives the same log, byte for byte, here and in another process", async () => {
  for (const seed of [3, 7, 11]) {
    const log = await logOf(seed);
    assert.ok(log.length > 1_000, "hardly anything happened");
    assert.equal(await logOf(seed), log);
    const main = new URL("main.ts", import.meta.url).pathname;
    const printed = execFileSync(process.execPath, [main, String(seed), "--log"], { maxBuffer: 2 ** 28 });
    assert.equal(printed.toString().slice(0, log.length), log);
  }
});

test("another seed gives another log", async () => {
  assert.notEqual(await logOf(1), await logOf(2));
});

test(`${seeds} seeds: every byte once and in order, no reset for a lost carrier, nothing left behind, and no standstill`, async (t) => {
  const { run, ended } = await runSeeds(seeds, true);
  t.diagnostic(`${run} seeds; streams and calls: ${JSON.stringify(ended)}`);
  for (const how of ["whole", "answered", "left", "refused", "broken", "failed"]) {
    assert.ok((ended[how] ?? 0) > 0, `of all seeds nothing was ${how}: the simulation has lost its storms`);
  }
});

test(`${seedsWithoutResume} seeds of agents that do not resume: every byte once and in order, or a visible reset`, async () => {
  const { ended } = await runSeeds(seedsWithoutResume, false);
  assert.ok((ended.broken ?? 0) > 0, "nothing broke: the simulation has lost its storms");
});

async function runSeeds(most: number, resume: boolean): Promise<{ run: number; ended: Record<string, number> }> {
  const startedAt = performance.now();
  const ended: Record<string, number> = {};
  let run = 0;
  for (let seed = 1; seed <= most && performance.now() - startedAt < longestMs; seed += 1) {
    const outcome = await simulate({ seed, expectations: { resume } });
    run += 1;
    if (outcome.failure !== undefined) {
      const command = `make simulate SEEDS=${seed}${resume ? "" : " RESUME=no"}`;
      throw new Error(`Repeat it: ${command}`, { cause: outcome.failure });
    }
    for (const [how, count] of Object.entries(outcome.ended)) ended[how] = (ended[how] ?? 0) + count;
  }
  return { run, ended };
}

test("a byte that is lost, doubled or changed is found, and so is an end that came too soon", () => {
  const after = (sent: number): Flow => {
    const flow = new Flow("flow", 1, 1_000);
    const bytes = flow.next(sent);
    flow.arrived(bytes.subarray(0, 10));
    return flow;
  };
  const right = new Flow("flow", 1, 1_000).next(100);
  const changed = Buffer.from(right.subarray(10, 20));
  changed[3] = (changed[3] ?? 0) ^ 1;
  assert.throws(() => after(100).arrived(right.subarray(11, 20)), /not those that were sent/);
  assert.throws(() => after(100).arrived(right.subarray(9, 20)), /not those that were sent/);
  assert.throws(() => after(100).arrived(changed), /not those that were sent/);
  assert.throws(() => after(15).arrived(right.subarray(10, 20)), /more came than was sent/);
  assert.throws(() => after(100).endArrived(), /its sender has not ended it/);
  const cutShort = after(100);
  cutShort.end();
  assert.throws(() => cutShort.endArrived(), /looks complete with 10 of 100/);
  const stalled = after(1_005);
  stalled.next(10);
  assert.throws(() => stalled.next(10), /held for a reader/);
});
