/** The token is shown to the agent and to nobody else. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { inspect } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { connectToAgent } from "../../src/cli/connection.ts";
import { toCliError } from "../../src/cli/errors.ts";
import { connectKube } from "../../src/kube/connect.ts";
import { run } from "./world.ts";

const token = "flt_averysecretsecret";

suite("the token", () => {
  for (const args of [
    ["peer", "list"],
    ["status"],
    ["version"],
    ["app", "logs", "-f", "shop"],
    ["app", "list", "--watch"],
    ["join", "fairlead-invite:v1:x"],
  ]) {
    test(`is not in what \`${args.join(" ")}\` prints when the agent is not there`, async () => {
      const connect: Parameters<typeof run>[2] = {
        connect: (options, signal) =>
          connectToAgent(
            {
              env: { FAIRLEAD_TOKEN: token },
              version: "0.0.1",
              openCluster: () => Promise.reject(new Error("none")),
              findConsole: async () => undefined,
            },
            { ...options, server: "http://127.0.0.1:1" },
            signal,
          ),
      };
      const { out, err } = await run(undefined, args, connect);
      assert.doesNotMatch(out + err, /flt_/);
      assert.match(err, /nothing listens there/);
    });
  }

  test("is not in the process list while a command runs with --token", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    assert.ok(address && typeof address === "object");
    const main = new URL("../../src/main.ts", import.meta.url).pathname;
    const server = `http://127.0.0.1:${address.port}`;
    const child = spawn(process.execPath, [main, "--server", server, "--token", token, "peer", "list"]);
    try {
      await once(silent, "connection");
      assert.doesNotMatch(readFileSync(`/proc/${child.pid}/cmdline`, "utf8"), /flt_/);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
      silent.close();
    }
  });

  test("of a kubeconfig is not quoted when the file is broken", async () => {
    const directory = mkdtempSync(join(tmpdir(), "fairlead-test-"));
    try {
      const path = join(directory, "config");
      writeFileSync(path, `users:\n- name: a\n  user: {token: ${token}}\nclusters: [unfinished\n`);
      await assert.rejects(
        connectKube({ kubeconfig: path, clock: systemClock }),
        (error) => /is no kubeconfig/.test(String(error)) && !inspect(error, { depth: 10 }).includes("flt_"),
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("is not in an error, nor in what causes it, however it is printed", async () => {
    const connection = await connectToAgent(
      {
        env: {},
        version: "0.0.1",
        openCluster: () => Promise.reject(new Error("none")),
        findConsole: async () => undefined,
      },
      { server: "http://127.0.0.1:1", token },
      new AbortController().signal,
    );
    const error: unknown = await connection.client.agent.getInfo({}).catch((reason: unknown) => reason);
    assert.ok(error instanceof Error);
    const all = inspect(toCliError(error, false), { depth: 10, showHidden: true });
    assert.ok(!all.includes(token), all);
    assert.ok(!inspect(connection).includes(token));
  });
});
