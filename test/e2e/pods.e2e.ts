/** Shells, files and ports of an app's pods, between two real clusters; the agents run beside them, each with a kubeconfig. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type AgentProcess, startAgent } from "./agent.ts";
import { type Cluster, openCluster, refreshDefinitions } from "./clusters.ts";
import { type CutProxy, openCutProxy } from "./cut-proxy.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const run = randomBytes(3).toString("hex");
const namespace = `fairlead-pods-${run}`;
const originName = `pods-a-${run}`;
const hostName = `pods-b-${run}`;
const program = new URL("../../src/main.ts", import.meta.url).pathname;
const python = new URL("at-a-terminal.py", import.meta.url).pathname;

let a: Cluster;
let b: Cluster;
let origin: AgentProcess;
let host: AgentProcess;
let proxy: CutProxy;
const directory = mkdtempSync(join(tmpdir(), "fairlead-pods-"));

before(
  async () => {
    a = openCluster("a");
    b = openCluster("b");
    await Promise.all([a, b].map(refreshDefinitions));
    await Promise.all([a, b].map((cluster) => cluster.kubectl(["create", "namespace", namespace])));
    const ports = async () => ({ console: await freePort(), link: await freePort(), telemetry: await freePort() });
    const hostPorts = await ports();
    [origin, host] = await Promise.all([
      startAgent(a, await ports(), { name: originName, namespace }),
      startAgent(b, hostPorts, { name: hostName, namespace }),
    ]);
    proxy = await openCutProxy({ host: "127.0.0.1", port: hostPorts.link });
    const policy = { workloads: { accept: true }, pods: { exec: true, files: true } };
    const metadata = { name: "all", namespace };
    await b.kubectl(
      ["create", "-f", "-"],
      JSON.stringify({ apiVersion: "fairlead.dev/v1alpha1", kind: "PeerPolicy", metadata, spec: policy }),
    );
    const url = `ws://127.0.0.1:${proxy.port}`;
    const invite = await host.cli(["invite", "--name", originName, "--grant", "apps", "--url", url]);
    await origin.cli(["join", invite.trim()]);
    const spec = { peer: hostName, image, ports: [{ containerPort: 8080 }] };
    await a.kubectl(
      ["apply", "-f", "-"],
      JSON.stringify({
        apiVersion: "fairlead.dev/v1alpha1",
        kind: "RemoteApp",
        metadata: { name: "echo", namespace },
        spec,
      }),
    );
    const phase = async () =>
      (await a.get<{ status?: { phase?: string } }>(["rapp", "-n", namespace, "echo"])).status?.phase === "Ready";
    await until("the app is Ready", phase, { seconds: 120 });
  },
  { timeout: 300_000 },
);

after(
  async () => {
    await a?.kubectl(["delete", "rapp", "-n", namespace, "echo", "--wait=true", "--timeout=60s"]).catch(() => "");
    await Promise.all([origin?.stop(), host?.stop()]);
    proxy?.close();
    rmSync(directory, { recursive: true, force: true });
    for (const cluster of [a, b]) {
      await cluster?.kubectl(["delete", "namespace", namespace, "--wait=false"]).catch(() => "");
    }
    await b?.kubectl(["delete", "namespace", `fairlead-peer-${originName}`, "--wait=false"]).catch(() => "");
  },
  { timeout: 180_000 },
);

/** `fairlead app exec -it` at a terminal of its own. */
class AtATerminal {
  readonly #child: ChildProcess;
  shown = "";

  constructor(...command: string[]) {
    const args = ["--server", origin.consoleUrl, "--kubeconfig", a.kubeconfig, "--agent-namespace", namespace];
    const exec = ["app", "exec", "-it", "-n", namespace, "echo", "--", ...command];
    this.#child = spawn("python3", [python, process.execPath, program, ...args, ...exec], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child.stdout?.on("data", (piece: Buffer) => {
      this.shown += piece.toString();
    });
  }

  type(text: string): void {
    this.#child.stdin?.write(`type ${JSON.stringify(text)}\n`);
  }

  size(columns: number, rows: number): void {
    this.#child.stdin?.write(`size ${columns} ${rows}\n`);
  }

  /** Waits until it shows that, after what it has shown at the time. */
  async until(pattern: RegExp): Promise<void> {
    await until(`the terminal shows ${pattern}`, async () => pattern.test(this.shown), {
      seconds: 60,
      seen: () => this.shown.slice(-500),
    });
    this.shown = "";
  }

  ended(): Promise<number | null> {
    if (this.#child.exitCode !== null) return Promise.resolve(this.#child.exitCode);
    return new Promise((resolve) => this.#child.once("exit", resolve));
  }
}

/** Behind it a shell may ask where the cursor is. */
const prompt = /# [^#]*$/;
const inApps = ["-n", namespace];

test("a shell has a terminal of this one's size, Ctrl-C is its own, it lives through a cut, and its code is ours", {
  timeout: 180_000,
}, async () => {
  const shell = new AtATerminal("sh");
  await shell.until(prompt);
  shell.type("stty size\r");
  await shell.until(/\b24 80\b[^#]*# /);
  shell.size(133, 41);
  // The news of it takes its own way, so that it may come behind what is typed.
  for (let tries = 0; tries < 20 && !/\b41 133\b/.test(shell.shown); tries += 1) {
    shell.shown = "";
    shell.type("stty size\r");
    await until("it answers", async () => /\d+ \d+\s[^#]*# /.test(shell.shown));
  }
  assert.match(shell.shown, /\b41 133\b/);
  shell.shown = "";
  shell.type("sleep 1000\r");
  await shell.until(/sleep 1000/);
  shell.type("\u0003");
  await shell.until(prompt);
  assert.ok(proxy.cut() > 0, "there was a link to cut");
  shell.type("echo af''ter\r");
  await shell.until(/after/);
  shell.type("exit 42\r");
  assert.equal(await shell.ended(), 42);
});

test("20 MB go to the pod and back with the same hash, while the link is cut in the middle", {
  timeout: 180_000,
}, async () => {
  const bytes = randomBytes(20_000_000);
  const hash = createHash("sha256").update(bytes).digest("hex");
  const [there, back] = [join(directory, "there"), join(directory, "back")];
  writeFileSync(there, bytes);
  const cutting = setInterval(() => proxy.cut(), 700);
  try {
    await origin.cli(["app", "cp", ...inApps, there, "echo:/tmp/payload"]);
    await origin.cli(["app", "cp", ...inApps, "echo:/tmp/payload", back]);
  } finally {
    clearInterval(cutting);
  }
  const said = await origin.cli(["app", "exec", ...inApps, "echo", "--", "sha256sum", "/tmp/payload"]);
  assert.equal(said.split(" ")[0], hash);
  assert.equal(createHash("sha256").update(readFileSync(back)).digest("hex"), hash);
});

test("a pipe goes through a program there, to its end, and its exit code comes back", {
  timeout: 120_000,
}, async () => {
  const text = "0123456789\n".repeat(200_000);
  const args = ["app", "exec", "-i", ...inApps, "echo", "--", "sh", "-c", "sha256sum; echo err >&2; exit 3"];
  const { code, stdout, stderr } = await origin.tryCli(args, text);
  assert.equal(stdout.split(" ")[0], createHash("sha256").update(text).digest("hex"));
  assert.deepEqual([code, stderr], [3, "err\n"]);
});

test("a port of this machine is the app's", { timeout: 120_000 }, async () => {
  const forward = origin.spawnCli(["app", "port-forward", ...inApps, "echo", ":8080"]);
  let out = "";
  forward.stdout?.on("data", (piece: Buffer) => {
    out += piece.toString();
  });
  const url = await until("it listens", async () => /^(127\.0\.0\.1:\d+) is echo/m.exec(out)?.[1], { seconds: 60 });
  try {
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => (await fetch(`http://${url}/bytes?n=100000`)).arrayBuffer()),
    );
    assert.ok(answers.every(({ byteLength }) => byteLength === 100_000));
  } finally {
    forward.kill("SIGINT");
  }
});

test("a host's agent that dies ends a shell with an error and a code that is none of the program's", {
  timeout: 180_000,
}, async () => {
  const shell = new AtATerminal("sh");
  await shell.until(prompt);
  await host.kill();
  assert.equal(await shell.ended(), 5);
  await host.start();
});
