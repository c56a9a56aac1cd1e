/** The program as a process: its streams, its signals, its exit code. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, suite, test } from "node:test";
import { type ApiWorld, startApi } from "../console/api/world.ts";

const main = new URL("../../src/main.ts", import.meta.url).pathname;

suite("the fairlead process", { timeout: 60_000 }, () => {
  let world: ApiWorld;
  before(async () => {
    world = await startApi();
  });
  after(() => world[Symbol.asyncDispose]());

  function launch(args: readonly string[]) {
    const { consoleUrl, token } = world.town;
    const env = { PATH: process.env.PATH, FAIRLEAD_SERVER: consoleUrl, FAIRLEAD_TOKEN: token, KUBECONFIG: "/nowhere" };
    const child = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      err += chunk;
    });
    return { child, err: () => err };
  }

  test("finds the agent by its variables, and needs no kubeconfig then", async () => {
    const { child, err } = launch(["status"]);
    const [out] = await Promise.all([child.stdout.setEncoding("utf8").toArray(), once(child, "close")]);
    assert.equal(child.exitCode, 0, err());
    assert.match(out.join(""), /^porto {3}fairlead /);
  });

  test("a reader that has seen enough, as `head -1`, is no failure", async () => {
    const { child, err } = launch(["config", "show", "--running", "-o", "json"]);
    child.stdout.destroy();
    await once(child, "close");
    assert.equal(child.exitCode, 0);
    assert.equal(err(), "");
  });

  test("Ctrl-C ends a watch with 130 and no complaint", async () => {
    const { child, err } = launch(["app", "list", "--watch"]);
    await once(child.stderr, "data");
    assert.match(err(), /No apps found in namespace default/);
    child.kill("SIGINT");
    await once(child, "close");
    assert.equal(child.exitCode, 130);
    assert.doesNotMatch(err(), /error/);
  });

  for (const command of [
    ["app", "deploy"],
    ["audit", "verify"],
  ]) {
    test(`a file that ${command.join(" ")} cannot read is a usage error`, async () => {
      const { child, err } = launch([...command, "-f", "/nowhere/it"]);
      await once(child, "close");
      assert.equal(child.exitCode, 2);
      assert.match(err(), /\/nowhere\/it cannot be read/);
    });
  }

  test("a file is read line by line to its end", async () => {
    const { child, err } = launch(["audit", "verify", "-f", main]);
    await once(child, "close");
    assert.equal(child.exitCode, 2);
    assert.match(err(), /main\.ts holds no entry of an audit/);
  });
});
