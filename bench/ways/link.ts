import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { freePorts } from "../../src/demo/free-port.ts";
import type { Way, WayKind } from "./way.ts";

const script = new URL("../pair.ts", import.meta.url).pathname;
const readyWithinMs = 85_000;

interface Ready {
  readonly near: { readonly pid: number };
  readonly far: { readonly pid: number };
}

/** Dialled streams of one link between two agents: `bench/pair.ts`. */
export const link: WayKind = { name: "link", start: (o) => startPairWay(o, []) };

/** With these words for `bench/pair.ts` besides. */
export async function startPairWay(
  { target, between }: Parameters<WayKind["start"]>[0],
  words: readonly string[],
): Promise<Way> {
  const [listen, accept] = await freePorts(0);
  const ports = { listen, target, accept, dial: await between(accept) };
  const args = Object.entries(ports).flatMap(([name, port]) => [`--${name}`, String(port)]);
  // Node's own flags hold for all processes of the benchmark, as they do for those that are forked.
  const child = spawn(process.execPath, [...process.execArgv, script, ...args, ...words], {
    stdio: ["ignore", "pipe", "inherit", "ipc"], // By the channel it learns when this process is gone.
  });
  const gone = once(child, "exit");
  if (!child.stdout) throw new Error("The pair of agents has no standard output.");
  const lines = createInterface(child.stdout);
  const [line] = await Promise.race([
    once(lines, "line", { signal: AbortSignal.timeout(readyWithinMs) }),
    gone.then(() => {
      throw new Error("The pair of agents ended before it was ready.");
    }),
  ]);
  const { near, far } = JSON.parse(String(line)) as Ready;
  return {
    port: listen,
    pids: [near.pid, far.pid],
    async close() {
      child.kill("SIGTERM");
      await gone;
    },
  };
}
