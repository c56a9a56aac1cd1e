/** `fairlead app story` at an agent on an embedded cluster, whose peer runs the app. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { pair, run, startWorld } from "./world.ts";

test("a story begins with who deployed the app, and goes on with what its host decided and what was done to it", async () => {
  await using world = await startWorld();
  await pair(world, "apps");
  const deployed = await run(world.lisbon, ["app", "deploy", "web", "--peer", "berlin", "--image", "web:1", "--wait"]);
  assert.equal(deployed.code, 0, deployed.err);
  await run(world.lisbon, ["app", "scale", "web", "--replicas", "2"]);
  const { out, err } = await run(world.lisbon, ["app", "story", "web", "-o", "json"]);
  assert.ok(out, err);
  const items: { kind: string; reason: string; by?: string; peer?: string }[] = JSON.parse(out).items;
  const told = (kind: string): string[] => items.filter((one) => one.kind === kind).map(({ reason }) => reason);
  assert.deepEqual(told("KIND_ACT"), ["app.deploy", "app.scale"]);
  assert.deepEqual(told("KIND_DECISION"), ["Admitted"]);
  assert.ok(told("KIND_CONDITION").length > 0);
  const table = await run(world.lisbon, ["app", "story", "web", "--limit", "1"]);
  assert.equal(table.out.trim().split("\n").length, 2);
  assert.equal((await run(world.lisbon, ["app", "story", "nobody"])).code, exitCode.notFound);
});
