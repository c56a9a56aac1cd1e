/**
 * A session with an agent's console: its API with calls that stream both ways, and connections to what peers have, all over one
 * WebSocket that passes every ingress.
 */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Transport } from "@connectrpc/connect";
import { type Clock, systemClock } from "../base/clock.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import { LinkError } from "../link/error.ts";
import { openWebSocket } from "../link/websocket.ts";
import { createLinkTransport } from "../rpc/transport.ts";
import { PeerSessions } from "../wire/peer-sessions.ts";
import { Reason } from "../wire/reason.ts";
import { type DialOptions, openSession, type Session } from "../wire/session.ts";
import { writeTarget } from "../wire/target.ts";
import type { DatagramTarget, NamedTarget } from "../wire/target-text.ts";
import { dialUrl } from "./dial-url.ts";
import { keepGoing, openFirst } from "./going-on.ts";
import { withToken } from "./token.ts";

export interface SessionOptions {
  /** The console's address, as in "https://fairlead.example.org". */
  readonly url: string;
  readonly token: string;
  /** Makes each connection to it; by the address unless given. */
  readonly dial?: ((signal: AbortSignal) => Promise<Duplex>) | undefined;
  /** Of the program, for the agent's log. */
  readonly version: string;
  /** The machine's unless given. */
  readonly clock?: Clock | undefined;
}

export type ConnectionNews = { readonly stands: true } | { readonly stands: false; readonly why: string };

export interface AgentSession {
  /** For the typed clients of the API. */
  readonly transport: Transport;
  /**
   * A connection to what a peer has, with half-close. The peer may be left out for an app that runs at one only. Rejects with an
   * Error that says why not.
   */
  dial(target: NamedTarget, peer: string | undefined, signal?: AbortSignal): Promise<Duplex>;
  /** A flow of datagrams to what a peer has; its replies are the same. What is sent may be lost on the way like any datagram. */
  dialDatagrams(target: DatagramTarget, peer: string | undefined, signal?: AbortSignal): Promise<DatagramPipe>;
  /** Tells when the connection to the agent is lost while all that is open waits for the next, and when it goes on. The answer ends that. */
  onConnection(listener: (news: ConnectionNews) => void): () => void;
  /** Resolves with why when it is over; never rejects. */
  readonly closed: Promise<string>;
  close(): void;
}

/** Header of the upgrade: by which the agent knows whose session goes on at this connection. */
const sessionHeader = "fairlead-session";
/** People wait at these: what went silent is left sooner than a link between agents would be. Milliseconds. */
const liveliness = { quietMs: 5_000, deadMs: 15_000 };

/**
 * Rejects with an Error that says why not. A connection that breaks while it is opened is made again, five times at most; when it
 * breaks later, the session goes on at the next one for up to a minute.
 */
export async function openAgentSession(options: SessionOptions, signal: AbortSignal): Promise<AgentSession> {
  const { url, token, version, clock = systemClock, dial = (stop) => dialUrl(url, stop) } = options;
  const address = new URL(`${url.replace(/^http/, "ws").replace(/\/$/, "")}/session`);
  const headers = { authorization: `Bearer ${token}`, [sessionHeader]: randomBytes(16).toString("base64url") };
  const held = {
    sessions: new PeerSessions(clock),
    hello: { instance: randomBytes(16), version },
  };
  const connect = async (stop: AbortSignal): Promise<Session> =>
    openSession(
      {
        ...held,
        carrier: await openWebSocket(address, await dial(stop), stop, headers),
        side: "high",
        facts: { dialled: true, remoteAddress: address.host },
        limits: liveliness,
        clock,
        accept: (incoming) => {
          const message = "Nothing is served here.";
          if (incoming.kind === "dial") incoming.refuse(Reason.UNSUPPORTED, message);
          else incoming.stream.reset(Reason.UNSUPPORTED, message);
        },
      },
      stop,
    );
  const session = await openFirst(connect, clock, signal);
  keepGoing(session, { connect, isFinal: whyForGood, clock });
  return {
    transport: withToken(createLinkTransport(session), token),
    dial: (target, peer, stop) => session.dial(writeTarget(target), dialOptions(peer, stop)),
    dialDatagrams: (target, peer, stop) => session.dialDatagrams(writeTarget(target), dialOptions(peer, stop)),
    onConnection: (listener) =>
      session.onCarrier((change) =>
        listener(change.kind === "lost" ? { stands: false, why: change.why.message } : { stands: true }),
      ),
    closed: session.closed.then(({ message }) => message),
    close: () => session.close({ reason: Reason.SHUTDOWN, message: "The program is done." }),
  };
}

function dialOptions(peer: string | undefined, signal: AbortSignal | undefined): DialOptions {
  const metadata = new Headers(peer === undefined ? {} : { "fairlead-peer": peer });
  return { metadata, ...(signal && { signal }) };
}

function whyForGood(error: unknown): string | undefined {
  const { status } = error instanceof LinkError ? error : {};
  return status === 401 ? "The token is not valid any more." : undefined;
}
