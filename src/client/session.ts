/**
 * A session with an agent's console: its API with calls that stream both ways, and connections to ports of apps, all over one
 * WebSocket that passes every ingress.
 */
import { randomBytes } from "node:crypto";
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { systemClock } from "../base/clock.ts";
import { Network, TargetSchema } from "../gen/fairlead/wire/v1/target_pb.ts";
import { openWebSocket } from "../link/websocket.ts";
import { createLinkTransport } from "../rpc/transport.ts";
import { Reason } from "../wire/reason.ts";
import { openSession } from "../wire/session.ts";
import { withToken } from "./token.ts";

export interface SessionOptions {
  /** The console's address, as in "https://fairlead.example.org". */
  readonly url: string;
  readonly token: string;
  /** Makes the connection to it; by the address unless given. */
  readonly dial?: ((signal: AbortSignal) => Promise<Duplex>) | undefined;
  /** Of the program, for the agent's log. */
  readonly version: string;
}

/** A port of an app. */
export interface AppPortTarget {
  readonly namespace: string;
  readonly name: string;
  /** A number or a name; the first port unless given. */
  readonly port?: number | string | undefined;
  /** For an app that runs at several. */
  readonly peer?: string | undefined;
}

export interface AgentSession {
  /** For the typed clients of the API. */
  readonly transport: Transport;
  /** A connection to a port of an app, with half-close. Rejects with an Error that says why not. */
  dialApp(target: AppPortTarget, signal?: AbortSignal): Promise<Duplex>;
  /** Resolves with why when it is over; never rejects. */
  readonly closed: Promise<string>;
  close(): void;
}

/** Rejects with an Error that says why not. */
export async function openAgentSession(options: SessionOptions, signal: AbortSignal): Promise<AgentSession> {
  const { url, token, version } = options;
  const socket = await (options.dial ?? ((stop) => dialUrl(url, stop)))(signal);
  const address = new URL(`${url.replace(/^http/, "ws").replace(/\/$/, "")}/session`);
  const carrier = await openWebSocket(address, socket, signal, { authorization: `Bearer ${token}` });
  const session = await openSession(
    {
      carrier,
      side: "high",
      facts: { dialled: true, remoteAddress: address.host },
      hello: { instance: randomBytes(16), version },
      clock: systemClock,
      accept: (incoming) => {
        const message = "Nothing is served here.";
        if (incoming.kind === "dial") incoming.refuse(Reason.UNSUPPORTED, message);
        else incoming.stream.reset(Reason.UNSUPPORTED, message);
      },
    },
    signal,
  );
  return {
    transport: withToken(createLinkTransport(session), token),
    dialApp({ namespace, name, port, peer }, stop) {
      const value =
        typeof port === "number"
          ? ({ case: "number", value: port } as const)
          : ({ case: "name", value: port ?? "" } as const);
      const target = create(TargetSchema, {
        kind: { case: "workload", value: { namespace, name, ...(port !== undefined && { port: { value } }) } },
        network: Network.TCP,
      });
      const metadata = new Headers(peer === undefined ? {} : { "fairlead-peer": peer });
      return session.dial(target, { metadata, ...(stop && { signal: stop }) });
    },
    closed: session.closed.then(({ message }) => message),
    close: () => session.close({ reason: Reason.SHUTDOWN, message: "The program is done." }),
  };
}

function dialUrl(url: string, signal: AbortSignal): Promise<Duplex> {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === "https:";
  const host = hostname.replace(/^\[|\]$/g, "");
  const to = { host, port: Number(port || (isTls ? 443 : 80)) };
  return new Promise((resolve, reject) => {
    const socket = isTls
      ? connectTls({ ...to, ALPNProtocols: ["http/1.1"], ...(!isAddress(host) && { servername: host }) })
      : connectTcp(to);
    const onAbort = (): void =>
      void socket.destroy(signal.reason instanceof Error ? signal.reason : new Error("ended"));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    socket.setNoDelay(true);
    socket.once("error", reject);
    socket.once(isTls ? "secureConnect" : "connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

function isAddress(host: string): boolean {
  return /^[0-9.]+$/.test(host) || host.includes(":");
}
