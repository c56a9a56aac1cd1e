/**
 * Two agents that forward a TCP port, so that any load generator can be pointed at the link:
 *
 *   node bench/pair.ts --listen PORT --target PORT --accept PORT --dial PORT [--door]
 *
 * The near agent listens on 127.0.0.1:<listen> and dials the link at 127.0.0.1:<dial>; the far one accepts links on
 * 127.0.0.1:<accept> and reaches 127.0.0.1:<target>. `--dial` may be a proxy of somebody else's in front of `--accept`, which
 * delays or cuts. Each agent is a process of its own, made of the real link, peering and tunnel rooms, without Kubernetes. They pair by
 * themselves. When the link stands, within 20 s, one line of JSON says so on standard output; it names the ports and the processes.
 * With `--door` the near one takes HTTP, for the host target-bench-http.localhost, as its console's
 * door to an app would. SIGTERM or SIGINT ends everything. So does the end of either agent, with exit code 1.
 */
import { parseArgs } from "node:util";
import type { PairPorts } from "./pair/messages.ts";
import { startPair } from "./pair/start-pair.ts";

const usage = "Usage: node bench/pair.ts --listen PORT --target PORT --accept PORT --dial PORT [--door]";

try {
  const pair = await startPair(readPorts());
  console.log(JSON.stringify({ ready: true, ...pair.about }));
  await pair.ended;
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
// A channel to whoever forked this would hold it.
if (process.connected) process.disconnect();

function readPorts(): PairPorts {
  const option = { type: "string" } as const;
  const door = { type: "boolean" } as const;
  const { values } = parseArgs({ options: { listen: option, target: option, accept: option, dial: option, door } });
  const port = (name: "listen" | "target" | "accept" | "dial"): number => {
    const number = Number(values[name]);
    if (Number.isInteger(number) && number >= 1 && number <= 65_535) return number;
    throw new Error(`--${name} must be a port from 1 to 65535.\n${usage}`);
  };
  const ports = { listen: port("listen"), target: port("target"), accept: port("accept"), dial: port("dial") };
  return { ...ports, door: values.door ?? false };
}
