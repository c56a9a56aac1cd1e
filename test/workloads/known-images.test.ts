/** Where new images wait for a person: which ones are known, and for how long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyApp, isWaiting, never, phaseOf, replicasOf, setPolicy, startTown, waiting } from "./story.ts";
import type { Town } from "./town.ts";

const hourMs = 3_600_000;

async function startApproved(t: Parameters<typeof startTown>[0], lastsMs: number | undefined): Promise<Town> {
  const town = await startTown(t);
  setPolicy(town, { approval: "NewImage" });
  applyApp(town, "web", { image: "web:1" });
  await town.until("Held", () => isWaiting(town));
  const { name, hash } = waiting(town);
  const request = { hash, verdict: "Approved", by: "ada", lastsMs } as const;
  await town.agent("osaka").workloads.host.decide(name, request, never);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  return town;
}

test("an image that was approved for good is known to the peer's other apps and to changes of its own", async (t) => {
  const town = await startApproved(t, undefined);
  applyApp(town, "twin", { image: "web:1" });
  applyApp(town, "web", { image: "web:1", replicas: 2 });
  await town.until("both run", () => phaseOf(town, "twin") === "Ready" && replicasOf(town, "web:1") === 2);
});

test("an image that was approved for a while is known for neither, or the approval would end without effect", async (t) => {
  const town = await startApproved(t, hourMs);
  await town.clock.advance(2_000); // The younger one is looked at first after a start.
  applyApp(town, "twin", { image: "web:1" });
  await town.until("the twin waits", () => phaseOf(town, "twin") === "Held");
  applyApp(town, "web", { image: "web:1", replicas: 2 });
  await town.until("the change waits", () => phaseOf(town, "web") === "Held");
  assert.equal(replicasOf(town, "web:1"), 1, "what was approved runs on");
  await town.stop("osaka");
  town.agent("osaka").start();
  await town.clock.advance(60_000);
  const phases = ["web", "twin"].map((name) => phaseOf(town, name));
  assert.deepEqual([...phases, replicasOf(town, "web:1")], ["Held", "Held", 1], "a start makes nothing known");
  await town.clock.advance(hourMs);
  await town.until("its time is over", () => replicasOf(town, "web:1") === 0);
});
