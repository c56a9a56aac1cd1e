/** When those that wait for room are asked again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRounds, type Rounds } from "../../src/workloads/host/rounds.ts";
import { createFakeClock } from "../base/fake-clock.ts";

function rig(onJudge: (key: string, rounds: Rounds) => void = () => undefined) {
  const clock = createFakeClock();
  const judged: string[] = [];
  const heard: string[] = [];
  const rounds: Rounds = createRounds({
    inOrder: (keys) => [...keys].sort(),
    judge(key) {
      judged.push(key);
      onJudge(key, rounds);
    },
    onRoom: (fingerprint) => void heard.push(fingerprint),
    clock,
  });
  return { clock, judged, heard, rounds };
}

test("nobody is asked again while nobody waits, and rounds are a second apart", async () => {
  const { clock, judged, heard, rounds } = rig();
  rounds.plan();
  assert.equal(clock.timers, 0);
  rounds.set("b", true);
  rounds.set("a", true);
  rounds.refused("f");
  rounds.plan();
  rounds.plan();
  await clock.advance(0);
  assert.deepEqual([judged, heard], [["a", "b"], ["f"]]);
  rounds.plan();
  await clock.advance(999);
  assert.equal(judged.length, 2);
  await clock.advance(1);
  assert.equal(judged.length, 4);
  assert.deepEqual(heard, ["f"], "a refusal is told of once");
  assert.equal(clock.timers, 0);
});

test("room that comes while a round goes on is not lost on those whose turn is over", async () => {
  const { clock, judged, rounds } = rig((key, self) => {
    if (key === "key-150" && judged.length === 151) self.plan();
  });
  for (let index = 0; index < 200; index += 1) rounds.set(`key-${String(index).padStart(3, "0")}`, true);
  rounds.plan();
  await clock.advance(500);
  assert.equal(judged.length, 200);
  await clock.advance(500);
  assert.equal(judged.length, 400);
  await clock.advance(10_000);
  assert.equal(judged.length, 400);
});

test("after it closes nothing is asked, neither later nor in the middle of a round", async () => {
  const { clock, judged, rounds } = rig((_key, self) => self.close());
  for (let index = 0; index < 150; index += 1) rounds.set(`key-${index}`, true);
  rounds.plan();
  await clock.advance(5_000);
  assert.ok(judged.length <= 100);
  rounds.plan();
  assert.equal(clock.timers, 0);
});
