/** An app at two peers by command line: what is told of each, and what goes on when one of them is away. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import type { Town } from "../../src/demo/town.ts";
import { until } from "../e2e/until.ts";
import { run, start, startWorld, type World } from "./world.ts";

suite("an app at two peers", () => {
  let world: World;
  let oslo: Town;
  const ran = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await run(world.lisbon, args);
    assert.equal(code, 0, err);
    return out;
  };
  const visit = async (path: string): Promise<number> => {
    const { consoleUrl, token } = world.lisbon;
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${consoleUrl}/apps/default/web/8080${path}`, { headers });
    await answer.text();
    return answer.status;
  };

  before(async () => {
    world = await startWorld({ processes: true });
    oslo = await world.add("oslo");
    for (const host of [world.berlin, oslo]) {
      const { out: invite } = await run(host, ["invite", "--name", "lisbon", "--grant", "apps"]);
      const joined = await run(world.lisbon, ["join", "-", "--label", "tier=prod"], { input: invite });
      assert.equal(joined.code, 0, joined.err);
    }
    const image = ["--image", "fairlead.dev/demo-web:1", "--port", "8080", "--replicas", "2"];
    await ran("app", "deploy", "web", "--placement-selector", "tier=prod", "--count", "0", ...image, "--wait");
  });
  after(() => world[Symbol.asyncDispose]());

  test("is counted at both, and each is told apart", async () => {
    assert.match(await ran("app", "get", "web"), /^web +berlin,oslo +Ready +4\/4 /m);
    assert.match(
      await ran("app", "rollout", "status", "web"),
      /^web: rolled out.*\n {2}at berlin: rolled out\n {2}at oslo: rolled out\n$/,
    );
    const all = await ran("app", "describe", "web");
    assert.match(all, /Peer +by placement: berlin, oslo/);
    for (const peer of ["berlin", "oslo"]) {
      assert.match(all, new RegExp(`^ +${peer} +Ready +2/2 `, "m"));
      assert.equal(all.match(new RegExp(`^ +${peer}/web-\\S+ +Running +yes `, "gm"))?.length, 2);
    }
  });

  test("its logs are those of all pods at both, each line with where it comes from", async () => {
    const from = (out: string): string[] =>
      [...out.matchAll(/^\[(\w+)\/web-\S+\] .*listening/gm)].map((line) => line[1] ?? "");
    assert.deepEqual(from(await ran("app", "logs", "web")).sort(), ["berlin", "berlin", "oslo", "oslo"]);
    const bare = await ran("app", "logs", "web", "--no-prefix");
    assert.equal(bare.match(/listening/g)?.length, 4);
    assert.doesNotMatch(bare, /^\[/m);
    const one = await ran("app", "logs", "web", "--peer", "oslo");
    assert.deepEqual([one.match(/listening/g)?.length, /^\[/m.test(one)], [2, false]);
    const elsewhere = await run(world.lisbon, ["app", "logs", "web", "--peer", "paris"]);
    assert.match(elsewhere.err, /does not run at paris; it runs at berlin, oslo/);
  });

  test("when one is away the page comes from the other, and so do the logs", async () => {
    assert.equal(await visit("/first"), 200);
    assert.match(await ran("app", "logs", "web", "--peer", "berlin"), /\/first/);
    const logs = start(world.lisbon, ["app", "logs", "-f", "web"]);
    await logs.until((out) => /^\[oslo\//m.test(out) && /^\[berlin\//m.test(out));
    await world.berlin.close();
    await until("the page is there again", async () => (await visit("/second")) === 200);
    await logs.until((out) => /^\[oslo\/.*\/second/m.test(out));
    logs.interrupt();
    await logs.ended;
    const rest = await run(world.lisbon, ["app", "logs", "web"]);
    assert.equal(rest.code, 0);
    assert.match(rest.err, /^\[berlin\] /m);
    assert.match(rest.out, /^\[oslo\/.*\/second/m);
  });
});
