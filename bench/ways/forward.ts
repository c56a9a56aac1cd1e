import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { agentNamespace, startAgent } from "../../test/e2e/agent.ts";
import { freePort } from "../../test/e2e/free-port.ts";
import { outerAddress } from "../../test/e2e/servers.ts";
import { openApi } from "../apps/api.ts";
import { clusterOf, type Told } from "../apps/sandbox.ts";
import { type Forked, forkTold } from "../load/forked.ts";
import type { Way, WayKind } from "./way.ts";

const readyWithinMs = 85_000;

/** What somebody gets who runs `fairlead forward`: that program, and two agents beside clusters of which nothing is measured. */
export const forward: WayKind = {
  name: "fairlead forward",
  start: async ({ target, between }) => {
    // A place takes 8,192 connections.
    const way = await startForwards({ target, between, places: 2 });
    return { ...way, port: way.ports[0] ?? 0 };
  },
};

export interface Forwards extends Omit<Way, "port"> {
  /** Of loopback; all lead to the target. */
  readonly ports: readonly number[];
  /** The program, the agent that it speaks with, and the one that reaches the target. */
  readonly pids: readonly [number, number, number];
}

/** The target has to listen on an address of this machine that is not loopback: agents lead nobody there. */
export async function startForwards(o: {
  readonly target: number;
  readonly places: number;
  between(port: number): Promise<number>;
}): Promise<Forwards> {
  const ends: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const clusters = await Promise.all([1, 2].map(() => forkTold<Told>("apps/cluster.ts", [])));
    ends.push(() => Promise.all(clusters.map((cluster) => cluster.end())));
    const [near, far] = clusters;
    if (!near || !far) throw new Error("there are two clusters");
    for (const { told } of clusters)
      await openApi(told).post("/api/v1/namespaces", { metadata: { name: agentNamespace } });
    const addresses = [{ name: "target", host: outerAddress(), ports: [o.target] }];
    const spec = { tunnels: { addresses, limits: { connections: 50_000 } } };
    const policies = `/apis/fairlead.dev/v1alpha1/namespaces/${agentNamespace}/peerpolicies`;
    await openApi(far.told).post(policies, { metadata: { name: "all" }, spec });
    const agentAt = async (name: "a" | "b", cluster: Forked<Told>) => {
      const ports = { console: await freePort(), link: await freePort(), telemetry: await freePort() };
      const agent = await startAgent(clusterOf(name, cluster.told), ports);
      ends.push(() => agent.stop());
      return { agent, link: ports.link };
    };
    const origin = await agentAt("a", near);
    const host = await agentAt("b", far);
    const url = `ws://127.0.0.1:${await o.between(host.link)}/link`;
    await origin.agent.cli(
      ["join", "-"],
      (await host.agent.cli(["invite", "--grant", "tunnels", "--url", url])).trim(),
    );
    const words = Array.from({ length: o.places }, () => ["address/target", ":0"]).flat();
    const child = origin.agent.spawnCli(["forward", "cluster-b", ...words]);
    ends.push(() => end(child));
    return { ports: await listening(child, o.places), pids: [child.pid ?? 0, origin.agent.pid, host.agent.pid], close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The ports, when it listens at all of them. */
async function listening(child: ChildProcess, places: number): Promise<number[]> {
  if (!child.stdout) throw new Error("The forward has no standard output.");
  child.stderr?.pipe(process.stderr, { end: false });
  const ports: number[] = [];
  const late = AbortSignal.timeout(readyWithinMs);
  const lines = createInterface(child.stdout);
  while (ports.length < places) {
    const [line] = await once(lines, "line", { signal: late });
    ports.push(Number(/^127\.0\.0\.1:(\d+) is /.exec(String(line))?.[1]));
  }
  lines.close();
  child.stdout.resume();
  return ports;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGINT");
  await gone;
}
