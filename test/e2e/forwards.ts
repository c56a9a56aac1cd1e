/** `fairlead forward` of an installed agent, as it runs beside a person's programs, and what connects through it. */

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { collect } from "./command.ts";
import type { InstalledAgent } from "./installed.ts";
import { until } from "./until.ts";

export interface RunningForward {
  /** Of loopback, one for each target, in their order. */
  readonly ports: readonly number[];
  /** What it has told the person so far. */
  told(): string;
  end(): Promise<void>;
}

/** Begins it with a free port for each target, and waits until it listens at all of them. */
export async function startForward(
  agent: Pick<InstalledAgent, "spawnCli">,
  peer: string,
  targets: readonly string[],
): Promise<RunningForward> {
  const child = agent.spawnCli(["forward", peer, ...targets.flatMap((target) => [target, ":0"])]);
  const gone = once(child, "exit");
  const output = collect(child);
  const end = async (): Promise<void> => {
    child.kill("SIGINT");
    await gone;
  };
  const listening = (): number[] =>
    [...output().stdout.matchAll(/^127\.0\.0\.1:(\d+)(?:\/udp)? is .+$/gm)].map(([, port]) => Number(port));
  try {
    const all = async (): Promise<boolean> => child.exitCode !== null || listening().length === targets.length;
    await until(`${targets.join(", ")} listen`, all, { seen: output });
    if (child.exitCode !== null) throw new Error(`fairlead forward ended with ${child.exitCode}: ${output().stderr}`);
  } catch (error) {
    await end();
    throw error;
  }
  return { ports: listening(), told: () => output().stderr, end };
}

/** Sends all of it, says that there is no more, and gives what came until the other end said so too. */
export async function converse(port: number, sent: Uint8Array): Promise<Buffer> {
  const socket = open(port);
  socket.end(sent);
  const received: Buffer[] = [];
  for await (const chunk of socket) received.push(chunk);
  return Buffer.concat(received);
}

/** How a connection that only waits came to its end: by a reset, or as if all were said. */
export async function endingOf(socket: Socket): Promise<"reset" | "end"> {
  const how = Promise.withResolvers<"reset" | "end">();
  socket.once("error", (error: NodeJS.ErrnoException) =>
    error.code === "ECONNRESET" ? how.resolve("reset") : how.reject(error),
  );
  socket.once("end", () => how.resolve("end")).resume();
  return how.promise;
}

export function open(port: number): Socket {
  return connect({ port, host: "127.0.0.1", allowHalfOpen: true });
}

/** A server outside of both clusters, that resets whoever says "reset", and notes how those end who say something else. */
export async function startOutside(address: string) {
  const endings: ("reset" | "end")[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.once("data", (said) => {
      if (String(said) === "reset") return void socket.on("error", () => undefined).resetAndDestroy();
      socket.write("aye");
      void endingOf(socket).then((how) => {
        endings.push(how);
        socket.destroy();
      });
    });
  });
  server.listen(0, address);
  await once(server, "listening");
  const at = server.address();
  return {
    port: typeof at === "object" && at !== null ? at.port : 0,
    endings: endings as readonly string[],
    close: () => void server.close(),
  };
}
