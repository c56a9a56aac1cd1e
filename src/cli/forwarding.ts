/** Ports of this machine that are ports elsewhere: listens, connects each who comes over one session with the agent, and tells. */
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ByteRoom } from "../base/byte-room.ts";
import { systemClock } from "../base/clock.ts";
import { type DatagramListener, listenForDatagrams, mostEarlyBytesOfAll } from "../base/datagram-listener.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import { errorText } from "../base/error-text.ts";
import { breakOff, join } from "../base/join.ts";
import { type ConnectionEnd, proxyHeader } from "../base/proxy-protocol.ts";
import type { AgentSession } from "../client/session.ts";
import type { Connection } from "./context.ts";
import { ForwardNews } from "./forward-news.ts";
import { addressText, cannotListen, listenAt } from "./listen.ts";
import type { ListenPlace } from "./listen-place.ts";
import { SharedSession } from "./shared-session.ts";

interface Forwarded {
  /** What it is, for the line that says so: "service/shop/db:5432 at berlin". */
  readonly what: string;
}

export interface ForwardedStreams extends Forwarded {
  readonly place: ListenPlace;
  dial(session: AgentSession, signal: AbortSignal): Promise<Duplex>;
}

export interface ForwardedDatagrams extends Forwarded {
  readonly datagramsAt: ConnectionEnd;
  dial(session: AgentSession, signal: AbortSignal): Promise<DatagramPipe>;
}

export type Forward = ForwardedStreams | ForwardedDatagrams;

export interface ForwardingOptions {
  readonly connection: Pick<Connection, "openSession">;
  readonly forwards: readonly Forward[];
  /** Begin each connection with a header of the PROXY protocol, version 2, that says who connected here. */
  readonly proxyProtocol?: boolean;
  /** A line for each connection that begins and ends, too. */
  readonly verbose?: boolean;
  /** When a flow of datagrams ends that nobody uses, in milliseconds; 60,000 unless given. */
  readonly idleMs?: number;
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
  const listeners: DatagramListener[] = [];
  const early = new ByteRoom(mostEarlyBytesOfAll);
  try {
    for (const forward of o.forwards) {
      const { what } = forward;
      if ("datagramsAt" in forward) {
        const listener = await listenFor(forward);
        listeners.push(listener);
        await o.out(`${addressText(listener.at.address, listener.at.port)}/udp is ${what}\n`);
        continue;
      }
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
        void pass(socket, forward);
      });
      server.maxConnections = mostConnections;
      server.on("drop", () => news.refused(what, `there are ${mostConnections} connections already`));
      servers.push(server);
      await o.out(`${await listenAt(server, forward.place)} is ${what}\n`);
    }
    return await new Promise<never>((_, reject) => {
      const stop = (): void => reject(signal.reason);
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    });
  } finally {
    for (const server of servers) server.close();
    for (const listener of listeners) void listener.close();
    shared.close();
    news.close();
  }

  async function listenFor({ datagramsAt, what, dial }: ForwardedDatagrams): Promise<DatagramListener> {
    try {
      return await listenForDatagrams({
        ...{ host: datagramsAt.address, port: datagramsAt.port, clock: systemClock, early },
        ...(o.idleMs !== undefined && { idleMs: o.idleMs }),
        open: async (_from, gone) => dial(await shared.get(), AbortSignal.any([signal, gone])),
        refused: (error) => signal.aborted || news.refused(what, errorText(error)),
        opened: (from) => {
          const ended = news.opened(what, from);
          return ({ sent, received, ...end }) => ended({ sent: sent.bytes, received: received.bytes, ...end });
        },
      });
    } catch (cause) {
      throw cannotListen(`${addressText(datagramsAt.address, datagramsAt.port)}/udp`, cause);
    }
  }

  /** Never rejects. A connection that is not taken over there is reset, and the person told why. */
  async function pass(socket: Socket, { what, dial }: ForwardedStreams): Promise<void> {
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
