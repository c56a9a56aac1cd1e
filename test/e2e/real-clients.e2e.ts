/**
 * Clients and servers that nobody here wrote, as they are, with `fairlead forward` between them: Debian's, on this machine, which stands for a network
 * beside the host's cluster. The link between the agents is cut again and again while they speak. The agents stand on embedded clusters.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { writePolicy } from "../policy/open-policy.ts";
import { mustRun, run } from "./command.ts";
import { type CutProxy, openCutProxy } from "./cut-proxy.ts";
import { findProgram, requirePrograms } from "./debian.ts";
import { type RunningForward, startForward } from "./forwards.ts";
import {
  outerAddress,
  type Server,
  startFiles,
  startGitDaemon,
  startPostgres,
  startRedis,
  startSshd,
} from "./servers.ts";
import { buildHub, type Hub, type Spoke } from "./spokes.ts";
import { until } from "./until.ts";

const program = new URL("../../src/main.ts", import.meta.url).pathname;
const mebibyte = 1024 * 1024;

suite("unchanged clients and servers, over a link that is cut", () => {
  let hub: Hub;
  let spoke: Spoke;
  let way: CutProxy;
  let made = 0;
  const at = outerAddress();

  before(async () => {
    await requirePrograms([
      ...(["postgres", "initdb", "psql", "pgbench", "redis-server", "redis-benchmark", "redis-cli"] as const),
      ...(["sshd", "scp", "ssh-keygen", "rsync", "git-daemon", "nginx", "wrk"] as const),
    ]);
    hub = await buildHub();
    way = await openCutProxy({ host: "127.0.0.1", port: hub.town.agent.ports.link });
    spoke = await hub.spoke();
    await spoke.join(`ws://127.0.0.1:${way.port}/link`, ["tunnels"]);
  });
  after(async () => {
    await spoke?.[Symbol.asyncDispose]();
    way?.close();
    await hub?.[Symbol.asyncDispose]();
  });

  const place = (name: string) => ({ directory: join(hub.directory, `${name}-${++made}`), at });

  /** What the server has, at a port of this machine, while `use` runs. */
  async function forwarded(name: string, server: Server, use: (port: number) => Promise<void>): Promise<void> {
    const rule = { tunnels: { addresses: [{ name, host: at, ports: [server.port] }] } };
    await writePolicy(hub.town.kube.client, "reached", rule);
    const env = { ...process.env, FAIRLEAD_SERVER: spoke.town.consoleUrl, FAIRLEAD_TOKEN: spoke.town.token };
    const agent = {
      spawnCli: (args: readonly string[]) =>
        spawn(process.execPath, [program, ...args], { env, stdio: ["ignore", "pipe", "pipe"] }),
    };
    let forward: RunningForward | undefined;
    try {
      forward = await startForward(agent, hub.town.name, [`address/${name}`]);
      await use(forward.ports[0] ?? 0);
    } finally {
      await forward?.end();
      await server[Symbol.asyncDispose]();
    }
  }

  /** Cuts the link each time that so many bytes more have passed on it, until told to stop; then says how often it did. */
  function cutEach(bytes: number): () => number {
    let cuts = 0;
    let over = false;
    const cut = (): void => {
      if (over) return;
      cuts += way.cut() > 0 ? 1 : 0;
      way.after(bytes, cut);
    };
    way.after(bytes, cut);
    return () => {
      over = true;
      return cuts;
    };
  }

  test("psql and pgbench: the same rows as without anything in between, and a query that is cancelled", {
    timeout: 180_000,
  }, async () => {
    const server = await startPostgres(place("postgres"));
    await forwarded("database", server, async (port) => {
      const env = { ...server.environment, PGHOST: "127.0.0.1", PGPORT: `${port}` };
      const pgbench = async (...args: string[]) => mustRun(await findProgram("pgbench"), args, { env, seconds: 90 });
      await pgbench("--initialize", "--quiet");
      const stop = cutEach(mebibyte / 2);
      const ran = await pgbench("--client=8", "--transactions=100", "--no-vacuum");
      assert.match(ran, /number of transactions actually processed: 800\/800/);
      const psql = await findProgram("psql");
      const tables = ["pgbench_accounts order by aid", "pgbench_tellers order by tid", "pgbench_branches order by bid"];
      const rows = (where: Record<string, string>): Promise<string> =>
        mustRun(
          psql,
          tables.flatMap((table) => ["-c", `copy (select * from ${table}) to stdout`]),
          {
            env: { ...server.environment, ...where },
          },
        );
      const through = await rows(env);
      assert.ok(stop() >= 10, "the link was cut while rows came");
      const direct = await rows({ PGHOST: at, PGPORT: `${server.port}` });
      assert.equal(through.split("\n").length, 100_000 + 10 + 1 + 1);
      assert.equal(hashOf(through), hashOf(direct));

      const slow = spawn(psql, ["-c", "select pg_sleep(3600)"], { env: { ...process.env, ...env }, stdio: "pipe" });
      const said = new Promise<string>((resolve) => {
        let text = "";
        slow.stderr.on("data", (chunk) => {
          text += chunk;
        });
        slow.once("close", () => resolve(text));
      });
      const asks = ["-At", "-c", "select count(*) from pg_stat_activity where query like 'select pg_sleep%'"];
      await until("the query runs", async () => (await mustRun(psql, asks, { env })).trim() === "1");
      slow.kill("SIGINT");
      assert.match(await said, /canceling statement due to user request/);
    });
  });

  test("redis-benchmark: every command is answered, and what it wrote is there", { timeout: 120_000 }, async () => {
    const server = await startRedis(place("redis"));
    await forwarded("cache", server, async (port) => {
      const env = { REDISCLI_AUTH: server.password };
      const stop = cutEach(mebibyte / 8);
      const load = ["-h", "127.0.0.1", "-p", `${port}`, "-a", server.password, "-c", "50", "-n", "4000", "-r", "1000"];
      const tests = ["-t", "ping,set,get,lpush,mset", "--csv"];
      const { code, stdout, stderr } = await run("redis-benchmark", [...load, ...tests], { seconds: 90 });
      assert.equal(code, 0, stderr);
      assert.equal(stdout.trim().split("\n").length, 1 + 6, stdout);
      assert.doesNotMatch(stdout + stderr, /error/i);
      assert.ok(stop() >= 3, "the link was cut meanwhile");
      const ask = (host: string, at: number): Promise<string> =>
        mustRun("redis-cli", ["-h", host, "-p", `${at}`, "--no-auth-warning", "debug", "digest"], { env });
      assert.match(await ask("127.0.0.1", port), /^[0-9a-f]{40}$/m);
      assert.equal(await ask("127.0.0.1", port), await ask(at, server.port));
    });
  });

  test("scp there and rsync back: the tree comes home as it went", { timeout: 180_000 }, async () => {
    const server = await startSshd(place("ssh"));
    const tree = place("tree").directory;
    for (let folder = 0; folder < 10; folder += 1) {
      await mkdir(join(tree, `folder ${folder}`), { recursive: true });
      for (let file = 0; file < 20; file += 1)
        await writeFile(join(tree, `folder ${folder}`, `${file}`), randomBytes(file * 700));
    }
    await writeFile(join(tree, "large"), randomBytes(12 * mebibyte));
    await forwarded("machine", server, async (port) => {
      const stop = cutEach(2 * mebibyte);
      const there = place("there").directory;
      const login = `${server.user}@127.0.0.1`;
      await mustRun("scp", [...server.options, "-q", "-r", "-P", `${port}`, tree, `${login}:${there}`], {
        seconds: 90,
      });
      assert.equal(await treeHash(there), await treeHash(tree));
      const home = place("home").directory;
      // What it has already is compared block by block.
      await cp(tree, home, { recursive: true });
      await writeFile(join(home, "large"), randomBytes(12 * mebibyte));
      const shell = ["ssh", ...server.options, "-p", `${port}`].join(" ");
      await mustRun("rsync", ["-a", "-I", "--delete", "-e", shell, `${login}:${there}/`, `${home}/`], { seconds: 90 });
      assert.equal(await treeHash(home), await treeHash(tree));
      assert.ok(stop() >= 8, "the link was cut meanwhile");
    });
  });

  test("git clone and push by git's own protocol", { timeout: 120_000 }, async () => {
    const { directory } = place("git");
    const env = {
      ...{ GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
      ...{ GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@example.com" },
      ...{ GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@example.com" },
    };
    const git = (where: string, ...args: string[]): Promise<string> =>
      mustRun("git", ["-C", where, "-c", "safe.directory=*", ...args], { env, seconds: 60 });
    const [source, clone] = [join(directory, "source"), join(directory, "clone")];
    await mkdir(source, { recursive: true });
    await git(source, "init", "-q", "-b", "main");
    const commit = async (where: string, name: string, bytes: number): Promise<void> => {
      await writeFile(join(where, name), randomBytes(bytes));
      await git(where, "add", name);
      await git(where, "commit", "-q", "-m", name);
    };
    for (let n = 0; n < 5; n += 1) await commit(source, `file-${n}`, 2 * mebibyte);
    await git(directory, "clone", "-q", "--bare", "source", "served.git");
    await forwarded("git", await startGitDaemon({ directory, at }), async (port) => {
      const stop = cutEach(2 * mebibyte);
      await git(directory, "clone", "-q", `git://127.0.0.1:${port}/served.git`, "clone");
      assert.equal(await git(clone, "rev-parse", "HEAD"), await git(source, "rev-parse", "HEAD"));
      await commit(clone, "mine", 4 * mebibyte);
      await git(clone, "push", "-q", "origin", "main");
      assert.equal(
        await git(join(directory, "served.git"), "rev-parse", "main"),
        await git(clone, "rev-parse", "HEAD"),
      );
      await git(join(directory, "served.git"), "fsck", "--full", "--strict");
      assert.ok(stop() >= 3, "the link was cut meanwhile");
    });
  });

  test("wrk: each of its requests is answered, and as it should be", { timeout: 120_000 }, async () => {
    const where = place("files");
    const server = await startFiles(where);
    await writeFile(join(where.directory, "files", "page"), randomBytes(2_000));
    await forwarded("web", server, async (port) => {
      const stop = cutEach(4 * mebibyte);
      const said = await mustRun("wrk", [
        "-t",
        "1",
        "-c",
        "64",
        "-d",
        "5s",
        "--timeout",
        "30s",
        `http://127.0.0.1:${port}/page`,
      ]);
      assert.doesNotMatch(said, /Socket errors|Non-2xx/);
      const requests = Number(/(\d+) requests in/.exec(said)?.[1]);
      assert.ok(requests > 100, said);
      stop();
    });
  });
});

function hashOf(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Of all files below it, by their paths and contents. */
async function treeHash(directory: string): Promise<string> {
  const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const lines = await Promise.all(
    files.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name);
      return `${path.slice(directory.length)} ${hashOf(await readFile(path))}`;
    }),
  );
  assert.ok(lines.length > 200);
  return hashOf(lines.sort().join("\n"));
}
