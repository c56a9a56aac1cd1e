/** Logs by command line: this file alone lets pods run as processes. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { run, start, startWorldWithWeb, type World } from "./world.ts";

suite("fairlead app logs", () => {
  let world: World;
  before(async () => {
    world = await startWorldWithWeb();
  });
  after(() => world[Symbol.asyncDispose]());

  const visit = async (path: string): Promise<void> => {
    const { consoleUrl, token } = world.lisbon;
    const headers = { authorization: `Bearer ${token}` };
    await (await fetch(`${consoleUrl}/apps/default/web/8080${path}`, { headers })).text();
  };

  test("without -f they end with what is there", async () => {
    const { code, out } = await run(world.lisbon, ["app", "logs", "web"]);
    assert.equal(code, 0);
    assert.match(out, /listening on port 8080\n/);
  });

  test("with -f they go on with each new line, until Ctrl-C", async () => {
    const logs = start(world.lisbon, ["app", "logs", "-f", "web", "--prefix"]);
    await logs.until((out) => /^\[web-\S+\] .*listening/m.test(out));
    await visit("/first");
    await logs.until((out) => out.includes("/first"));
    await visit("/second");
    await logs.until((out) => out.includes("/second"));
    logs.interrupt();
    assert.equal((await logs.ended).code, exitCode.interrupted);
  });

  test("--tail and --timestamps", async () => {
    await visit("/third");
    const { out } = await run(world.lisbon, ["app", "logs", "web", "--tail", "1", "--timestamps"]);
    assert.match(out, /^\d{4}-\d\d-\d\dT\S+ .*\n$/);
  });

  test("what cannot be read ends with the reason and its code", async () => {
    const unknown = await run(world.lisbon, ["app", "logs", "web", "--pod", "nobody"]);
    assert.equal(unknown.code, exitCode.notFound);
    assert.match(unknown.err, /The app has no pod of this name/);
    const previous = await run(world.lisbon, ["app", "logs", "web", "--previous"]);
    assert.equal(previous.code, exitCode.failed);
    assert.match(previous.err, /previous/);
    assert.equal(unknown.out + previous.out, "");
  });

  test("an app that crashes shows its reason and its last lines", async () => {
    await run(world.lisbon, ["app", "deploy", "bad", "--peer", "berlin", "--image", "fairlead.dev/crash:1"]);
    const watch = start(world.lisbon, ["app", "get", "bad", "-w", "-o", "wide"]);
    await watch.until((out) => /^bad +berlin +Degraded .*CrashLoopBackOff/m.test(out));
    watch.interrupt();
    // The lines are read when the reason is known, and told after it.
    const objects = start(world.lisbon, ["app", "get", "bad", "-w", "-o", "yaml"]);
    await objects.until((printed) => printed.includes("lastLines:"));
    objects.interrupt();
    const { out } = await run(world.lisbon, ["app", "get", "bad"], { interactive: true });
    assert.match(out, /Message +\S+/);
    assert.match(out, /The last lines of bad-/);
  });
});
