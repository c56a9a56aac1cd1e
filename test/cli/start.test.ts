/** The first step of the command, as kubectl and people run it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { promisify } from "node:util";
import { kubeTokenCache, kubeTokenWords, readKubeTokenCall } from "../../src/cli/kube-token.ts";

const start = new URL("../../src/start.ts", import.meta.url).pathname;

suite("the command's first step", { timeout: 120_000 }, () => {
  async function runAt(home: string, ...args: string[]): Promise<string> {
    const env = { PATH: process.env.PATH, HOME: home, KUBECONFIG: "/nowhere", FAIRLEAD_SERVER: "http://127.0.0.1:1" };
    return (await promisify(execFile)(process.execPath, [start, ...args], { env })).stdout;
  }

  async function withHome(use: (home: string, run: (...args: string[]) => Promise<string>) => Promise<void>) {
    const home = await mkdtemp(join(tmpdir(), "fairlead-test-"));
    const run = (...args: string[]) => runAt(home, ...args);
    try {
      await use(home, run);
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  }

  test("gives kubectl a token that is kept, and does not begin the whole program for it", async () => {
    await withHome(async (home, run) => {
      const words = ["berlin", "--context", "here"];
      const env = { HOME: home, KUBECONFIG: "/nowhere", FAIRLEAD_SERVER: "http://127.0.0.1:1" };
      const expires = new Date(Date.now() + 600_000).toISOString();
      const call = readKubeTokenCall(["kube-token", ...words]);
      assert.ok(call);
      await kubeTokenCache(call, env).keep({ token: "kept", expires }, 1);
      const status = { token: "kept", expirationTimestamp: expires };
      assert.deepEqual(JSON.parse(await run("kube-token", ...words)).status, status);
      assert.equal(existsSync(join(home, ".cache/fairlead/code")), false);
      // Its parent has been given it and asks again, so it was of no use: the agent is asked, and there is none.
      await assert.rejects(run("kube-token", ...words), /the agent cannot be found/);
      await assert.rejects(run("kube-token", "porto", "--context", "here"), /the agent cannot be found/);
    });
  });

  test("keeps the code of the whole program where nobody else can write, and nowhere else", async () => {
    await withHome(async (home, run) => {
      const code = join(home, ".cache/fairlead/code");
      assert.match(await run("--help"), /Joins Kubernetes clusters as peers/);
      assert.equal((await stat(code)).mode & 0o777, 0o700);
      assert.ok((await readdir(code, { recursive: true })).length > 100, "what was loaded is there");
    });
    await withHome(async (home, run) => {
      await mkdir(join(home, ".cache"));
      await chmod(join(home, ".cache"), 0o777);
      assert.match(await run("--help"), /Joins Kubernetes clusters as peers/);
      assert.deepEqual(await readdir(join(home, ".cache/fairlead/code"), { recursive: true }), []);
    });
  });

  test("means the same agent in whatever directory kubectl runs, and keeps no token for two that a relative path names", async (t) => {
    const here = process.cwd();
    t.after(() => process.chdir(here));
    await withHome(async (home) => {
      const paths = { state: "state", kubeconfig: "../config" };
      const words = kubeTokenWords({ peer: "berlin", token: "secret", ...paths, context: "east" });
      const whole = { state: join(here, "state"), kubeconfig: join(here, "../config") };
      assert.deepEqual(readKubeTokenCall(words), { peer: "berlin", ...whole, context: "east" });
      const expires = new Date(Date.now() + 600_000).toISOString();
      for (const [call, env] of [
        [{ state: "state" }, {}],
        [{ kubeconfig: "config" }, {}],
        [{}, { FAIRLEAD_STATE: "./state" }],
        [{}, { KUBECONFIG: "/a:b" }],
      ] as const) {
        const find = (reader: number) =>
          kubeTokenCache({ peer: "berlin", ...call }, { HOME: home, ...env }).find(reader);
        process.chdir(here);
        await kubeTokenCache({ peer: "berlin", ...call }, { HOME: home, ...env }).keep({ token: "kept", expires }, 1);
        process.chdir(home);
        assert.equal(await find(2), undefined);
        process.chdir(here);
        assert.equal((await find(3))?.token, "kept");
      }
    });
  });

  test("keeps nothing in a home that others can write in, or can put another in the place of, nor behind a link", async () => {
    await withHome(async (home, run) => {
      await chmod(home, 0o777);
      assert.match(await run("--help"), /Joins Kubernetes clusters as peers/);
      assert.deepEqual(await readdir(home), []);
      const inner = join(home, "inner");
      await mkdir(inner, { mode: 0o755 });
      assert.match(await runAt(inner, "--help"), /Joins Kubernetes clusters as peers/);
      assert.deepEqual(await readdir(inner), []);
    });
    await withHome(async (home, run) => {
      await mkdir(join(home, "elsewhere"));
      await symlink("elsewhere", join(home, ".cache"));
      assert.match(await run("--help"), /Joins Kubernetes clusters as peers/);
      assert.deepEqual(await readdir(join(home, "elsewhere/fairlead/code")), []);
    });
  });

  test("reads only what a kubeconfig has, and leaves all else to the whole program", () => {
    assert.deepEqual(readKubeTokenCall(["kube-token", "berlin"]), { peer: "berlin" });
    const words = ["kube-token", "berlin", "--server", "https://x", "--agent-namespace", "ours"];
    assert.deepEqual(readKubeTokenCall(words), { peer: "berlin", server: "https://x", agentNamespace: "ours" });
    for (const other of [
      [],
      ["status"],
      ["kube-token"],
      ["kube-token", "--help"],
      ["--server", "x", "kube-token", "berlin"],
      ["kube-token", "berlin", "--server"],
      ["kube-token", "berlin", "--server", "--help"],
      ["kube-token", "berlin", "--server", "a", "--server", "b"],
      ["kube-token", "berlin", "--server=a"],
      ["kube-token", "berlin", "--token", "secret"],
      ["kube-token", "berlin", "porto"],
    ])
      assert.equal(readKubeTokenCall(other), undefined, other.join(" "));
  });
});
