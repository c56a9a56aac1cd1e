/** Ports of this machine that are ports elsewhere: listens, connects each who comes over one session with the agent, and tells. */
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { errorText } from "../base/error-text.ts";
import { breakOff, join } from "../base/join.ts";
import { type ConnectionEnd, proxyHeader } from "../base/proxy-protocol.ts";
import type { AgentSession } from "../client/session.ts";
import type { Connection } from "./context.ts";
import { ForwardNews } from "./forward-news.ts";
import { listenAt } from "./listen.ts";
import type { ListenPlace } from "./listen-place.ts";
import { SharedSession } from "./shared-session.ts";

export interface Forward {
  readonly place: ListenPlace;
  /** What it is, for the line that says so: "service/shop/db:5432 at berlin". */
  readonly what: string;
  dial(session: AgentSession, signal: AbortSignal): Promise<Duplex>;
}

export interface ForwardingOptions {
  readonly connection: Pick<Connection, "openSession">;
  readonly forwards: readonly Forward[];
  /** Begin each connection with a header of the PROXY protocol, version 2, that says who connected here. */
  readonly proxyProtocol?: boolean;
  /** A line for each connection that begins and ends, too. */
  readonly verbose?: boolean;
  out(line: string): Promise<void> | void;
  err(line: string): void;
}

/** Connections at a time, of one place; each is a socket here and a stream on the one session. */
const mostConnections = 8_192;

/** Listens until the signal aborts; rejects then with its reason, or before with a `CliError` when it cannot. */
export async function forwardUntil(o: ForwardingOptions, signal: AbortSignal): Promise<never> {
  const news = new ForwardNews((line) => o.err(line), o.verbose ?? false);
  const shared = new SharedSession(o.connection, (line) => o.err(line), signal);
  // A token or an agent that does not let this be is told before anything listens.
  await shared.get();
  const servers: Server[] = [];
  try {
    for (const forward of o.forwards) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        void pass(socket, forward);
      });
      server.maxConnections = mostConnections;
      server.on("drop", () => news.refused(forward.what, `there are ${mostConnections} connections already`));
      servers.push(server);
      await o.out(`${await listenAt(server, forward.place)} is ${forward.what}\n`);
    }
    return await new Promise<never>((_, reject) => {
      const stop = (): void => reject(signal.reason);
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    });
  } finally {
    for (const server of servers) server.close();
    shared.close();
    news.close();
  }

  /** Never rejects. A connection that is not taken over there is reset, and the person told why. */
  async function pass(socket: Socket, { what, dial }: Forward): Promise<void> {
    const gone = new AbortController();
    const from = endOf(socket.remoteAddress, socket.remotePort);
    const header = o.proxyProtocol ? proxyHeader(from, endOf(socket.localAddress, socket.localPort)) : undefined;
    socket.on("error", () => undefined);
    const onClose = (): void => gone.abort(new Error("who connected has gone"));
    socket.once("close", onClose);
    try {
      const session = await shared.get();
      const stream = await dial(session, AbortSignal.any([signal, gone.signal]));
      socket.off("close", onClose);
      const ended = news.opened(what, from);
      if (header) stream.write(header);
      ended(await join(socket, stream));
    } catch (error) {
      if (!gone.signal.aborted) news.refused(what, errorText(error));
      breakOff(socket, error instanceof Error ? error : new Error(String(error)));
    }
  }
}

function endOf(address: string | undefined, port: number | undefined): ConnectionEnd | undefined {
  return address === undefined || port === undefined ? undefined : { address, port };
}
