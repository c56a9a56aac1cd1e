/** Two whole agents on embedded clusters: what one may do at the other goes, and both ends see it go. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { exitCode } from "../src/cli/errors.ts";
import { acceptAll, applyPolicies, run, start, startWorldWithWeb, type World } from "./cli/world.ts";

/** Longer than the promised second only as far as a busy machine may need to hear of the change from its API server. */
const soonMs = 5_000;

const policy = (more: string): string => acceptAll.replace("{ accept: true }", `{ accept: true }, ${more}`);

suite("a right that goes, between whole agents", () => {
  let world: World;
  before(async () => {
    world = await startWorldWithWeb();
  });
  after(() => world[Symbol.asyncDispose]());

  async function ask(path = "/"): Promise<{ status: number; text: string }> {
    const { consoleUrl, token } = world.lisbon;
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${consoleUrl}/apps/default/web/8080${path}`, { headers });
    return { status: answer.status, text: await answer.text() };
  }

  /** Asks until the door answers so: news of a policy takes a moment. */
  async function answers(status: number): Promise<string> {
    const end = Date.now() + 30_000;
    for (;;) {
      const answer = await ask();
      if (answer.status === status) return answer.text;
      if (Date.now() > end) throw new Error(`still ${answer.status}: ${answer.text}`);
    }
  }

  async function audited(town: "lisbon" | "berlin", action: string): Promise<Record<string, string>[]> {
    const { out, err } = await run(world[town], ["audit", "list", "--action", action, "-o", "json"]);
    const printed = JSON.parse(out === "" ? err : out);
    return Array.isArray(printed) ? printed : printed.items;
  }

  test("logs that are followed end when the policy takes them back, and say by which rule", async () => {
    const logs = start(world.lisbon, ["app", "logs", "-f", "web"]);
    await logs.until((out) => out.includes("listening"));
    const from = Date.now();
    await applyPolicies(world.berlin, policy("pods: { logs: false }"));
    const { code, err } = await logs.ended;
    assert.ok(Date.now() - from < soonMs, `it took ${Date.now() - from} ms`);
    assert.equal(code, exitCode.denied);
    assert.match(err, /pods\/logs/);
    const [here, there] = [await audited("lisbon", "log.revoke"), await audited("berlin", "log.revoke")];
    assert.equal(here.length, 1);
    assert.match(here[0]?.correlation ?? "", /^stream:/);
    assert.equal(here[0]?.correlation, there[0]?.correlation);
    assert.equal(here[0]?.person, "admin-token");
    await applyPolicies(world.berlin, acceptAll);
  });

  test("a page answers with the rule once the policy closes it, and again once a person has approved its first use", async () => {
    await answers(200);
    await applyPolicies(world.berlin, policy("tunnels: { apps: false }"));
    assert.match(await answers(403), /tunnels\/apps/);
    await applyPolicies(world.berlin, policy("tunnels: { approval: FirstUse }"));
    const end = Date.now() + 30_000;
    while (!(await ask()).text.includes("waited since")) assert.ok(Date.now() < end);
    const listed = await run(world.berlin, ["inbox", "list"]);
    assert.match(listed.out, /lisbon\/app\/default\/web/);
    const approved = await run(world.berlin, ["inbox", "approve", "lisbon/app/default/web", "--for", "1h", "-y"]);
    assert.equal(approved.code, 0, approved.err);
    assert.equal((await ask()).status, 200);
    const denied = await run(world.berlin, ["inbox", "deny", "lisbon/app/default/web", "-m", "Not on Fridays."]);
    assert.equal(denied.code, 0, denied.err);
    const refused = await ask();
    assert.equal(refused.status, 403);
    assert.match(refused.text, /Not on Fridays/);
    await applyPolicies(world.berlin, acceptAll);
  });

  test("a grant that ends by itself ends what needed it, and both ends have known until when", async () => {
    const granted = await run(world.berlin, ["peer", "grant", "lisbon", "apps", "--for", "6s"]);
    assert.equal(granted.code, 0, granted.err);
    const logs = start(world.lisbon, ["app", "logs", "-f", "web"]);
    const watch = start(world.lisbon, ["peer", "list", "-w", "-o", "json"]);
    await watch.until((out) => /"grantsHeld": \[\s*\{\s*"name": "apps",\s*"until": "/.test(out));
    watch.interrupt();
    const { code, err } = await logs.ended;
    assert.equal(code, exitCode.denied);
    assert.match(err, /grants\/apps/);
    assert.equal((await audited("berlin", "grant.expire")).length, 1);
    assert.match(await answers(403), /grants\/apps/);
  });
});
