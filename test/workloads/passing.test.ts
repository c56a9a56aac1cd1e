/** What an app says on its way is told when it lasts; where it arrives, at once. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { createPassing, isOnTheWay } from "../../src/workloads/passing.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { applyApp, events, phaseOf, slowWorkloads, statusOf } from "./story.ts";
import { Town } from "./town.ts";

/** A town whose clusters count the statuses that are written, by plural. */
async function startCounting(t: TestContext, o: { slowMs?: number } = {}) {
  const town = new Town();
  const counts: Record<string, number> = {};
  const counted = (client: KubeClient): KubeClient => ({
    ...client,
    applyStatus(kind, ...rest) {
      counts[kind.plural] = (counts[kind.plural] ?? 0) + 1;
      return client.applyStatus(kind, ...rest);
    },
  });
  const [origin, host] = [town.agent("tokyo"), town.agent("osaka")];
  origin.client = counted(origin.cluster);
  host.client = counted(o.slowMs === undefined ? host.cluster : slowWorkloads(() => town, o.slowMs)(host.cluster));
  t.after(() => town.close());
  town.pair("tokyo", "osaka");
  origin.start();
  host.start();
  await town.connect("tokyo", "osaka");
  return { town, counts };
}

test("an app that is up within a second is one status and one Event at its origin, and one status at its host", async (t) => {
  const { town, counts } = await startCounting(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  await town.clock.advance(10_000);
  assert.equal(counts.remoteapps, 1);
  assert.deepEqual(events(town), ["AllReady"]);
  assert.equal(counts.workloads, 1);
});

test("an app that takes its time says on its way how far it is", async (t) => {
  const { town } = await startCounting(t, { slowMs: 5_000 });
  applyApp(town, "web");
  await town.until("it is told", () => phaseOf(town, "web") !== undefined, 2_000);
  assert.equal(statusOf(town, "web").reason, "Sent");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.equal(events(town)[0], "Sent");
  assert.equal(events(town).at(-1), "AllReady");
});

test("what cannot be is told at once, whatever it was before", async (t) => {
  const { town } = await startCounting(t);
  applyApp(town, "web", { image: "missing" });
  await town.until("Degraded", () => phaseOf(town, "web") === "Degraded", 900);
  applyApp(town, "far", { peer: "nowhere" });
  await town.until("PeerUnknown", () => statusOf(town, "far").reason === "PeerUnknown", 900);
});

test("a word is told when it has lasted, and the later the more are on their way, within bounds", () => {
  const clock = createFakeClock();
  const passing = createPassing({ clock });
  assert.equal(passing.waitMs("a", true), 1_000);
  assert.equal(passing.waitMs("a", true), 1_000, "asking again is no new beginning");
  assert.equal(passing.waitMs("a", false), 0);
  for (let index = 0; index < 101; index += 1) passing.waitMs(`app ${index}`, true);
  assert.equal(passing.waitMs("app 0", true), 6_000);
  for (let index = 0; index < 5_000; index += 1) passing.waitMs(`app ${index}`, true);
  assert.equal(passing.waitMs("app 0", true), 30_000);
  for (let index = 0; index < 5_000; index += 1) passing.forget(`app ${index}`);
  assert.equal(passing.waitMs("b", true), 1_000);
});

test("an app whose word was told is on its way still, and makes the others wait", async () => {
  const clock = createFakeClock();
  const passing = createPassing({ clock });
  passing.waitMs("a", true);
  await clock.advance(1_000);
  assert.equal(passing.waitMs("a", true), 0);
  assert.equal(passing.waitMs("b", true), 1_050);
  passing.waitMs("a", false);
  assert.equal(passing.waitMs("b", true), 1_000);
});

test("a word that has lasted is told, and the next one lasts anew", async () => {
  const clock = createFakeClock();
  const passing = createPassing({ clock });
  passing.waitMs("a", true);
  await clock.advance(400);
  assert.equal(passing.waitMs("a", true), 600);
  await clock.advance(600);
  assert.equal(passing.waitMs("a", true), 0);
  await clock.advance(100);
  assert.equal(passing.waitMs("a", true), 1_000);
});

test("only words that lead to another by themselves are on the way", () => {
  assert.ok(isOnTheWay({ phase: "Pending", reason: "Sent" }));
  assert.ok(isOnTheWay({ phase: "Progressing", reason: "RollingOut" }));
  for (const [phase, reason] of [
    ["Pending", "LinkDown"],
    ["Pending", "PeerUnknown"],
    ["Pending", "WaitsForLease"],
    ["Progressing", "Paused"],
    ["Progressing", "Moving"],
    ["Ready", "AllReady"],
    ["Degraded", "Sent"],
    ["Held", "Held"],
    [undefined, undefined],
  ])
    assert.ok(!isOnTheWay({ phase, reason }), `${phase} ${reason}`);
});
