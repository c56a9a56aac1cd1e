/** The whole agent, on embedded clusters: what no room can promise alone. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { silentLog } from "../src/base/log.ts";
import { buildTown, type Town } from "../src/demo/town.ts";
import { pair, run } from "./cli/world.ts";

/** Two paired agents that give streams 15 s to end. */
async function startPair(t: TestContext): Promise<{ lisbon: Town; berlin: Town }> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const build = async (name: string): Promise<Town> => {
    const options = { name, directory, firstPort: 0, version: "0.0.1", log: silentLog, processes: false, grace: "15s" };
    const town = await buildTown(options, AbortSignal.timeout(30_000));
    t.after(() => town.close());
    return town;
  };
  const towns = { lisbon: await build("lisbon"), berlin: await build("berlin") };
  await pair(towns, "apps");
  return towns;
}

test("an agent that is told to end takes its leave at once when nothing but its own conversations is open", async (t) => {
  const towns = await startPair(t);
  const deployed = await run(towns.lisbon, ["app", "deploy", "web", "--peer", "berlin", "--image", "a", "--wait"]);
  assert.equal(deployed.code, 0, deployed.err);
  for (const town of [towns.lisbon, towns.berlin]) {
    const startedAt = performance.now();
    await town.agent.close();
    const seconds = (performance.now() - startedAt) / 1000;
    assert.ok(seconds < 10, `${town.name} took ${seconds.toFixed(1)} s of the 15 s that streams are given`);
  }
});
