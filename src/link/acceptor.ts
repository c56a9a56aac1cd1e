/**
 * The peer port: an HTTP server that knows one path, and takes nobody's word for anything. Whoever has proved a key and said Hello is
 * handed over as a link; everybody else gets the same 404 or is cut, within fixed bounds of time, number and memory.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { Identity } from "../identity/identity.ts";
import type { LocalHello } from "../wire/hello.ts";
import type { IncomingStream } from "../wire/incoming.ts";
import type { Limits } from "../wire/limits.ts";
import type { AgentBudget } from "../wire/session.ts";
import { LinkError } from "./error.ts";
import { type Kept, type Link, openLink } from "./link.ts";
import { isLinkTarget } from "./link-url.ts";
import { createRefusalLog, type RefusalReason, refusalReason } from "./refusal-log.ts";
import { createSecurer } from "./secure.ts";
import { Strangers } from "./strangers.ts";
import { acceptWebSocket } from "./websocket.ts";

export interface AcceptorLimits {
  /** Connections at a time of which nobody knows yet whose they are; who has not come further for longest is cut for a newer one. 256. */
  readonly strangers: number;
  /** Of these, from one address (one /64 of IPv6). All that come through one ingress share its address. 128. */
  readonly strangersPerAddress: number;
  /** Of those that come through other agents, and are counted apart: through one of them. 16, and four times as many in all. */
  readonly strangersPerRelay: number;
  /** Links at a time. Beyond it, who wants one is turned away. 4,096. */
  readonly links: number;
  /** From the connection to the Hello, in milliseconds, for everything a stranger does. 10,000. */
  readonly handshakeMs: number;
}

export interface AcceptorDeps {
  readonly identity: Identity;
  readonly hello: LocalHello;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<AcceptorLimits>;
  /** What each link holds its other end to. */
  readonly linkLimits?: Partial<Limits>;
  /** What all links of this agent may promise together; without bound unless given. */
  readonly budget?: AgentBudget | undefined;
  /** See `LinkDeps.kept`. */
  kept?(fingerprint: Fingerprint): Kept | undefined;
  /**
   * Called with each link, before its first stream: a peer's or a guest's, which the fingerprint decides elsewhere. Again with the
   * same one, for each later carrier of it.
   */
  onLink(link: Link): void;
  /** Called for each stream that the other end opens, synchronously; it must not throw. */
  accept(link: Link, stream: IncomingStream): void;
}

export interface AcceptorStats {
  /** Whether the peer port takes connections. */
  readonly listening: boolean;
  /** Connections now that have not proved who they are. */
  readonly strangers: number;
  /** Links now. */
  readonly links: number;
  /** Connections so far that became no link, by why this end turned them away. Who left without a word is in none of them. */
  readonly refused: ReadonlyMap<RefusalReason, number>;
}

export interface Acceptor {
  /** Starts to listen; port 0 takes a free one. Rejects when the port is taken. */
  listen(port: number, host?: string): Promise<{ port: number }>;
  /**
   * Takes a carrier that another agent brings, with what it carries, as if it had come to the port: whoever is at its other end has
   * the same time to prove who they are. `through` is the agent that brings it.
   */
  take(carrier: Duplex, through: Fingerprint): void;
  stats(): AcceptorStats;
  /** Takes no more connections and cuts strangers. Links live on; they belong to whom they were handed to. */
  close(): Promise<void>;
}

const defaultLimits: AcceptorLimits = {
  strangers: 256,
  strangersPerAddress: 128,
  strangersPerRelay: 16,
  links: 4_096,
  handshakeMs: 10_000,
};

/** Longest request head, in bytes: a WebSocket upgrade has a few hundred, an ingress may add as many again. */
const largestRequestHead = 8_192;

/**
 * What a stranger may send in its WebSocket: a proof and a Hello are a few messages of a few kilobytes, and what more comes behind them is
 * read when it is a link. Tiny messages cost far more time than bytes, so both are counted.
 */
const mostStrangerFrames = 256;
const mostStrangerBytes = 256 * 1024;

const notFoundOnUpgrade = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/** An acceptor that does not listen yet. */
export function createAcceptor(deps: AcceptorDeps): Acceptor {
  const limits = { ...defaultLimits, ...deps.limits };
  const strangers = new Strangers({ total: limits.strangers, perAddress: limits.strangersPerAddress });
  // Apart, so that what one of our peers brings takes no room from who comes to the port.
  const carried = new Strangers({ total: 4 * limits.strangersPerRelay, perAddress: limits.strangersPerRelay });
  const securer = createSecurer({ identity: deps.identity, now: () => deps.clock.now() });
  const refusals = createRefusalLog(deps);
  const visits = new WeakMap<Duplex, Visit>();
  const links = new Set<Link>();

  const server = createServer({
    maxHeaderSize: largestRequestHead,
    requireHostHeader: false, // Its absence would get an answer of its own.
    // A visit's own deadline is the one limit of time; Node's would answer 408.
    headersTimeout: 0,
    requestTimeout: 0,
    noDelay: true,
  });
  server.on("connection", (socket: Socket) =>
    visits.set(socket, receive(socket, strangers, { address: socket.remoteAddress })),
  );
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code?.startsWith("HPE_")) visits.get(socket)?.refuse("malformed");
    socket.destroy();
  });
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    visits.get(request.socket)?.refuse("not-found");
    notFound(request, response);
  };
  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", onRequest);
  server.on("upgrade", (request, socket, head) => {
    const visit = visits.get(socket);
    if (!visit || !isLinkTarget(request.url)) {
      visit?.refuse("not-found");
      socket.end(notFoundOnUpgrade, () => socket.destroy());
    } else void upgrade(visit, request, socket, head);
  });

  /** From here on a connection is a stranger's, and cut unless it is a link within the time that strangers have. */
  function receive(socket: Duplex, among: Strangers, from: Pick<Visit, "address" | "through">): Visit {
    socket.on("error", () => {}); // Whatever it is, "close" follows, and nobody else listens at all times.
    const deadline = startDeadline(
      deps.clock,
      limits.handshakeMs,
      () => new LinkError("timeout", `It did not complete a link within ${limits.handshakeMs / 1000} s.`),
    );
    let judged = false;
    const refuse = (reason: RefusalReason): void => {
      if (!judged) refusals.count(reason);
      judged = true;
    };
    const stranger = among.admit(from.through ?? from.address, () => {
      refuse("crowded-out");
      socket.destroy();
    });
    let frames = 0;
    let stopListening = (): void => undefined;
    const visit: Visit = {
      ...from,
      signal: deadline.signal,
      refuse,
      upgraded(listen) {
        among.advance(stranger);
        stopListening = listen((bytesRead) => {
          frames += 1;
          if (frames === 1) among.advance(stranger);
          // It is destroyed when more pings than may wait for their answer have come.
          if (frames <= mostStrangerFrames && bytesRead <= mostStrangerBytes && !socket.destroyed) return;
          refuse("too-much");
          socket.destroy();
        });
      },
      end() {
        deadline.cancel();
        stopListening();
        among.release(stranger);
      },
    };
    deadline.signal.addEventListener("abort", () => {
      refuse("timeout");
      socket.destroy();
    });
    socket.once("close", () => {
      judged = true; // Who has left by itself was not refused.
      visit.end();
    });
    return visit;
  }

  async function upgrade(visit: Visit, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    let webSocket: Duplex;
    try {
      webSocket = await acceptWebSocket(request, socket, head, (opened) => {
        visit.upgraded((heard) => opened.onEachFrame(() => heard(request.socket.bytesRead)));
      });
    } catch {
      visit.refuse("not-found");
      socket.end(notFoundOnUpgrade, () => socket.destroy());
      return;
    }
    await admit(visit, webSocket);
  }

  async function admit(visit: Visit, stream: Duplex): Promise<void> {
    const { address, through } = visit;
    try {
      const carrier = await securer.accept(stream, visit.signal);
      // Who has a link may go on with it.
      if (links.size >= limits.links && !deps.kept?.(carrier.fingerprint)?.sessions.size) {
        carrier.stream.destroy();
        throw new LinkError("refused", `There are ${links.size} links already, as many as this agent takes.`);
      }
      await openLink(
        carrier,
        {
          fingerprint: deps.identity.fingerprint,
          hello: deps.hello,
          clock: deps.clock,
          limits: deps.linkLimits,
          budget: deps.budget,
          kept: (fingerprint) => deps.kept?.(fingerprint),
          opened: (link) => handOver(visit, link),
          accept: (link, stream) => deps.accept(link, stream),
          onDefect: (error, fingerprint) => deps.log.error({ err: error, fingerprint }, "a defect has ended a link"),
        },
        { dialled: false, remoteAddress: address, through },
        visit.signal,
      );
    } catch (error) {
      // Who failed has closed the connection, or is still saying why; a visit's time bounds that.
      visit.refuse(refusalReason(error));
      refusals.tell(through === undefined ? address : `through ${through}`, error);
    }
  }

  function handOver(visit: Visit, link: Link): void {
    visit.end();
    if (!links.has(link)) {
      links.add(link);
      void link.closed.then(() => links.delete(link));
    }
    deps.onLink(link);
  }

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ port, host }, () => {
          server.removeListener("error", reject);
          server.on("error", (error) => deps.log.error({ err: error }, "the peer port failed"));
          resolve({ port: portOf(server.address()) });
        });
      }),
    take(carrier, through) {
      const visit = receive(carrier, carried, { address: undefined, through });
      visit.upgraded((heard) => {
        let bytes = 0;
        const onPiece = (piece: Uint8Array): void => {
          bytes += piece.length;
          heard(bytes);
        };
        carrier.on("data", onPiece);
        return () => carrier.removeListener("data", onPiece);
      });
      void admit(visit, carrier);
    },
    stats: () => ({
      listening: server.listening,
      strangers: strangers.size + carried.size,
      links: links.size,
      refused: new Map(refusals.counts),
    }),
    async close() {
      if (server.listening) server.close();
      strangers.cutAll();
      carried.cutAll();
      refusals.close();
    },
  };
}

/** One connection, as long as it is a stranger's. */
interface Visit {
  readonly address: string | undefined;
  /** The agent that carries it, if one does. */
  readonly through?: Fingerprint | undefined;
  /** Aborts when the time is up. */
  readonly signal: AbortSignal;
  /** Says why it is turned away; the first word counts. */
  refuse(reason: RefusalReason): void;
  /** It speaks WebSocket, or is carried: `listen` is to call back with each frame or piece that comes, and what has come in all, until it is stopped. */
  upgraded(listen: (heard: (bytesRead: number) => void) => () => void): void;
  end(): void;
}

/** The one answer to everything but a link: it tells nothing of what is here. */
function notFound(_request: IncomingMessage, response: ServerResponse): void {
  response.sendDate = false;
  response.writeHead(404, { connection: "close", "content-length": "0" });
  response.end();
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("The peer port does not listen on TCP.");
  return address.port;
}
