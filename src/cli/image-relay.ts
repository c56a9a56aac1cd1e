/** `fairlead images relay`: what the chart runs on each node where a NodePort does not answer on localhost. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";

/** One node's runtime has a handful at a time. */
const mostConnections = 256;

export function addImagesCommands(program: Command, context: CliContext): void {
  const images = program.command("images").description("what nodes need to pull images that peers bring along");
  images
    .command("relay")
    .description("pass on connections, as on each node of a cluster whose NodePorts do not answer on localhost")
    .requiredOption("--listen <address:port>", "where it listens, such as 127.0.0.1:30500")
    .requiredOption("--to <host:port>", "where it passes on to, such as fairlead-images.fairlead-system.svc:8003")
    .action(async (options: { listen: string; to: string }) => {
      const relay = await startImageRelay(readPlace("--listen", options.listen), readPlace("--to", options.to));
      context.terminal.err(`passing on from port ${relay.port} to ${options.to}\n`);
      if (!context.signal.aborted) await once(context.signal, "abort");
      await relay.close();
    });
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface ImageRelay {
  readonly port: number;
  /** Ends what is open. */
  close(): Promise<void>;
}

/** Resolves when it listens. An end that breaks breaks the other, and one that ends ends it after what came before. */
export async function startImageRelay(at: Place, to: Place): Promise<ImageRelay> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true, noDelay: true });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.resetAndDestroy());
      one.once("close", () => {
        open.delete(one);
        other.destroySoon();
      });
    }
  });
  server.maxConnections = mostConnections;
  server.listen(at.port, at.host);
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : at.port,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function readPlace(option: string, text: string): Place {
  const colon = text.lastIndexOf(":");
  const [host, port] = [text.slice(0, Math.max(0, colon)), Number(text.slice(colon + 1))];
  if (host === "" || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new CliError(`${option}: expected a host and a port, such as 127.0.0.1:30500`, { code: exitCode.usage });
  }
  return { host: host.replace(/^\[|\]$/g, ""), port };
}
