/** An app that is deleted here and goes on there: an orphan at its host, whatever the link does meanwhile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { annotations } from "../../src/workloads/host/names.ts";
import { containerOf, deleteApp, deployments, events, findApp, held, phaseOf, startWithWeb } from "./story.ts";
import type { Town } from "./town.ts";

function keep(town: Town): void {
  town.agent("tokyo").cluster.edit("remoteapps", "shop/web", ({ metadata }) => {
    metadata.annotations = { ...metadata.annotations, "fairlead.dev/on-delete": "keep" };
  });
}

const isOrphan = (town: Town): boolean =>
  held(town)[0]?.metadata.annotations?.[annotations.orphanedSince] !== undefined;

test("it goes here at once, runs on there as an orphan, and can be taken back", async (t) => {
  const town = await startWithWeb(t);
  const [before] = deployments(town);
  keep(town);
  deleteApp(town, "web");
  await town.until("gone here", () => findApp(town, "web") === undefined);
  await town.until("an orphan there", () => isOrphan(town));
  assert.ok(events(town).includes("Kept"));
  const { origin } = town.agent("tokyo").workloads;
  await town.until("known here", () => origin.orphans().length === 1);
  const [orphan] = origin.orphans();
  await origin.adopt("osaka", orphan?.uid ?? "", new AbortController().signal);
  await town.until("taken back", () => phaseOf(town, "web") === "Ready" && !isOrphan(town));
  assert.equal(deployments(town)[0]?.metadata.uid, before?.metadata.uid, "nothing was made anew");
});

test("it goes here at once also while there is no link, and the host hears of it with the next", async (t) => {
  const town = await startWithWeb(t);
  await town.cut("tokyo", "osaka");
  town.agent("tokyo").cluster.edit("remoteapps", "shop/web", (object) => {
    object.spec = { ...object.spec, image: "web:2" };
  });
  keep(town);
  deleteApp(town, "web");
  await town.until("gone here", () => findApp(town, "web") === undefined);
  assert.ok(!isOrphan(town));
  await town.connect("tokyo", "osaka");
  await town.until("an orphan there", () => isOrphan(town));
  assert.equal(containerOf(deployments(town)[0])?.image, "web:1", "a change that never went there stays away");
});

test("an origin that starts again in the middle says nothing else", async (t) => {
  const town = await startWithWeb(t);
  await town.stop("tokyo");
  keep(town);
  deleteApp(town, "web");
  await town.cut("tokyo", "osaka");
  town.agent("tokyo").start();
  await town.connect("tokyo", "osaka");
  await town.until("gone here", () => findApp(town, "web") === undefined);
  await town.until("an orphan there", () => isOrphan(town));
  assert.equal(deployments(town).length, 1);
});
