import assert from "node:assert/strict";
import { test } from "node:test";
import { createTally, type Tally } from "../../src/base/tally.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";

function rig(): { clock: FakeClock; tally: Tally<string>; told: string[]; note(who: string, what: string): void } {
  const clock = createFakeClock();
  const told: string[] = [];
  const tally = createTally<string>({
    clock,
    tell: (what, count) => told.push(count > 1 ? `${what} x${count}` : what),
  });
  return { clock, tally, told, note: (who, what) => tally.note({ who, same: what, kind: what[0] ?? "", what }) };
}

test("what happens seldom is told at once, each time", async () => {
  const { clock, told, note } = rig();
  for (const what of ["a1", "a2", "b1"]) note("w", what);
  assert.deepEqual(told, ["a1", "a2", "b1"]);
  await clock.advance(2_000);
  note("w", "a1");
  assert.deepEqual(told.slice(3), ["a1"]);
});

test("what is the same within a second is counted, and its number told with the last of it", async () => {
  const { clock, told, note } = rig();
  for (let count = 0; count < 500; count += 1) note("w", "a");
  assert.deepEqual(told, ["a"]);
  await clock.advance(1_000);
  assert.deepEqual(told, ["a", "a x499"]);
  await clock.advance(60_000);
  assert.equal(told.length, 2);
  assert.equal(clock.timers, 0, "nothing is kept of what is long over");
});

test("who makes much happen, in however many forms, is told of about once a second, and nothing of it is lost", async () => {
  const { clock, tally, told, note } = rig();
  let made = 0;
  for (let second = 0; second < 600; second += 1) {
    for (let each = 0; each < 200; each += 1, made += 1) note("flood", `${"ab"[each % 2]}${second}-${each}`);
    await clock.advance(1_000);
  }
  assert.ok(told.length <= 60 + 600 + 4, `${told.length} were told`);
  note("other", "b-else");
  assert.equal(told.at(-1), "b-else", "and nobody else is kept quiet by it");
  tally.close();
  const sum = told.reduce((all, one) => all + Number(/ x(\d+)$/.exec(one)?.[1] ?? 1), 0);
  assert.equal(sum, made + 1);
  assert.equal(clock.timers, 0);
  note("flood", "late");
  assert.ok(!told.includes("late"));
});
