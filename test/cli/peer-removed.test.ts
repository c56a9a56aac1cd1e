/** An app that runs where it may, and the peer that has it is removed: it ends there, and runs at another. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../e2e/until.ts";
import { run, startWorld } from "./world.ts";

test("an app moves on when the peer that has it is removed, and is told of as where it is", async () => {
  await using world = await startWorld({ processes: false });
  const oslo = await world.add("oslo");
  const ran = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await run(world.lisbon, args);
    assert.equal(code, 0, err);
    return out;
  };
  for (const [host, label] of [
    [world.berlin, "db=yes"],
    [oslo, "db=later"],
  ] as const) {
    const { out: invite } = await run(host, ["invite", "--name", "lisbon", "--grant", "apps"]);
    const joined = await run(world.lisbon, ["join", "-", "--label", label], { input: invite });
    assert.equal(joined.code, 0, joined.err);
  }
  const image = ["--image", "fairlead.dev/demo-web:1", "--port", "8080"];
  await ran("app", "deploy", "db", "--placement-selector", "db=yes", ...image, "--wait");
  assert.match(await ran("app", "get", "db"), /^db +berlin +Ready /m);
  await ran("peer", "label", "oslo", "db=yes");
  await ran("peer", "remove", "berlin", "--keep-workloads");
  await until("it is ready at the other", async () => /^db +oslo +Ready /m.test(await ran("app", "get", "db")));
});
