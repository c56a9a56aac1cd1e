/** What lasts, by kubectl and by programs on client-go and Python's client, while the connection between the agents is cut. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { goWatcher, type Program, pythonWatcher } from "./clients.ts";
import type { Cluster } from "./clusters.ts";
import { collect } from "./command.ts";
import type { CutProxy } from "./cut-proxy.ts";
import { startKubectl } from "./kubectl-programs.ts";
import type { Way } from "./kubectl-stage.ts";
import { until } from "./until.ts";

interface Running {
  readonly child: ChildProcess;
  output(): { stdout: string; stderr: string };
}

/** Each of them makes one request, and ends when that does. */
export async function liveThroughCuts(o: { way: Way; b: Cluster; proxy: CutProxy }): Promise<void> {
  const { way, b, proxy } = o;
  const [go, python] = await Promise.all([goWatcher(), pythonWatcher()]);
  const make = (...args: string[]): Promise<string> => b.kubectl(["-n", way.namespace, ...args]);
  const counting = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done";
  await make("run", "ticker", "--image=docker.io/library/busybox:1.36", "--restart=Never", "--", "sh", "-c", counting);
  await make("wait", "--for=condition=Ready", "pod/ticker", "--timeout=50s");

  const watchers = {
    kubectl: startKubectl(way, ["get", "configmaps", "--watch", "-o", "name"]),
    "client-go": start(go, way),
    "Python's client": start(python, way),
  };
  const logs = startKubectl(way, ["logs", "--follow", "ticker"]);
  const cat = startKubectl(way, ["exec", "-i", "box", "--", "cat"]);
  const all: Readonly<Record<string, Running>> = { ...watchers, logs, cat };
  const see = (name: string): Promise<unknown> =>
    Promise.all(
      Object.entries(watchers).map(([who, one]) =>
        until(
          `${who} sees ${name}`,
          async () => isThere(one) && new RegExp(`${name}$`, "m").test(one.output().stdout),
          {
            seen: one.output,
          },
        ),
      ),
    );
  try {
    await see("settings");
    await until("the log is followed", async () => /^3$/m.test(logs.output().stdout), { seen: logs.output });
    for (const round of ["first", "second", "third"]) {
      assert.ok(proxy.cut() > 0, "there is a connection to cut");
      await make("create", "configmap", round);
      cat.child.stdin.write(`${round}\n`);
      await see(round);
      await until("the program answers", async () => cat.output().stdout.includes(round), { seen: cat.output });
      const sofar = linesOf(logs).length;
      await until("the log goes on", async () => linesOf(logs).length > sofar + 2);
    }
    for (const [who, one] of Object.entries(all)) assert.ok(isThere(one), `${who} has ended: ${one.output().stderr}`);
    assert.deepEqual(
      linesOf(logs),
      linesOf(logs).map((_line, at) => String(at)),
      "no line is missing, and none comes twice",
    );
    assert.deepEqual(cat.output().stdout, "first\nsecond\nthird\n");
  } finally {
    for (const { child } of Object.values(all)) child.kill();
  }
}

function start({ command, args, env }: Program, { kubeconfig, namespace }: Way): Running {
  const child = spawn(command, [...args, kubeconfig, namespace], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { child, output: collect(child) };
}

function isThere({ child, output }: Running): boolean {
  if (child.exitCode === null && child.signalCode === null) return true;
  throw new Error(`it has ended: ${output().stderr}`);
}

/** Those that are whole. */
function linesOf({ output }: Running): string[] {
  return output().stdout.split("\n").slice(0, -1);
}
