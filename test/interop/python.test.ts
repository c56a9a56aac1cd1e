/**
 * docs/protocol.md and docs/carrier.md are to be enough to write another implementation from: test/interop/python is one. It
 * shares no code with this project, nor any library, and here it meets this project's agent.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { buildTown } from "../../src/demo/town.ts";
import { run } from "../cli/world.ts";
import { openPolicy } from "../policy/open-policy.ts";

const program = new URL("python/meet_an_agent.py", import.meta.url).pathname;
/** What its last step waits for: all others have ended. */
const lastStep = "ready to be left";

/** What is not here that the other implementation needs; undefined when all is. */
function missing(): string | undefined {
  const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
  if (!works("python3", "-c", "import ssl, sys; sys.exit(sys.version_info < (3, 10) or not ssl.HAS_TLSv1_3)")) {
    return "there is no python3 here, or it is older than 3.10";
  }
  return works("openssl", "version") ? undefined : "there is no openssl here";
}

test("an implementation that shares no code with this one is a peer", {
  skip: missing(),
  timeout: 240_000,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const settings = { "shutdown.grace": "15s" };
  const options = { name: "berlin", directory, firstPort: 0, version: "0.0.1", log: silentLog, settings };
  const berlin = await buildTown(options, AbortSignal.timeout(60_000));
  t.after(() => berlin.close());
  await openPolicy(berlin.kube.client);

  const claims = await Promise.all(
    (["low", "high"] as const).map(async (side) => {
      const invite = await run(berlin, ["invite", "--name", `python-${side}`, "--grant", "apps"]);
      return { side, meeting: meet(join(directory, side), side, invite.out.trim()) };
    }),
  );
  await Promise.all(claims.map(({ meeting }) => meeting.ready));
  for (const { side } of claims) {
    const peer = await run(berlin, ["peer", "get", `python-${side}`, "-o", "json"]);
    assert.match(peer.out, /0\.1\.0-python/, "what it said of itself is shown");
  }
  await berlin.agent.close();
  const [low, high] = await Promise.all(claims.map(({ meeting }) => meeting.ended));
  assert.deepEqual(low, high);
  for (const claim of low ?? []) await t.test(claim, () => undefined);
});

interface Meeting {
  /** Resolves when everything but the last was seen. */
  readonly ready: Promise<void>;
  /** What was seen. Rejects when something was not so. */
  readonly ended: Promise<string[]>;
}

function meet(folder: string, side: "low" | "high", invite: string): Meeting {
  const child = spawn("python3", ["-B", program, folder, side, invite], { stdio: ["ignore", "pipe", "pipe"] });
  const claims: string[] = [];
  let trouble = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    trouble += text;
  });
  const ended = new Promise<string[]>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(claims.filter((claim) => claim !== lastStep));
      else reject(new Error(`the ${side} end, after "${claims.at(-1)}":\n${trouble}`));
    });
  });
  const ready = new Promise<void>((resolve, reject) => {
    createInterface(child.stdout).on("line", (line) => {
      claims.push(line);
      if (line === lastStep) resolve();
    });
    ended.then(() => resolve(), reject);
  });
  return { ready, ended };
}
