/** The console over HTTP/2: doors first, then the API, for gRPC clients and all that streams in both directions, and then the console's own pages. */
import type { IncomingHttpHeaders } from "node:http";
import { createServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { ConnectRouter, ConnectRouterOptions } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Log } from "../base/log.ts";
import { boundedTimeout, timeoutHeaders } from "../rpc/call-timeout.ts";
import { callerAddress } from "./auth/caller-address.ts";

export interface Http2Api {
  /** Serves a connection of which the first bytes are still to be read. */
  accept(socket: Socket): void;
  /** Takes no new calls; connections go as their last call ends. */
  drain(): void;
  /** Ends what is left. */
  destroy(): void;
}

export interface Http2ApiOptions extends ConnectRouterOptions {
  routes(router: ConnectRouter): void;
  /** Takes a call, or answers it with a refusal. */
  admit(req: Http2ServerRequest, res: Http2ServerResponse): boolean;
  /** Whether it is a call of the API that has this path. */
  isCall(url: string): boolean;
  /** Serves what is for neither a door nor the API, as over HTTP/1.1. */
  own(req: Http2ServerRequest, res: Http2ServerResponse): void;
  /** Takes the request when it is for a door. */
  door(req: Http2ServerRequest, res: Http2ServerResponse): boolean;
  headers: Readonly<Record<string, string>>;
  log: Log;
}

/** Streams of one connection at a time. */
const maxStreams = 256;

/** As much as comes before a body in HTTP/1.1. */
const maxHeaderBytes = 32 * 1024;

export function createHttp2Api(options: Http2ApiOptions): Http2Api {
  const { headers, log, admit, isCall, door, own, ...router } = options;
  const sessions = new Set<ServerHttp2Session>();
  const serve = connectNodeAdapter({ ...router, contextValues: callerAddress });
  const server = createServer({
    settings: { maxConcurrentStreams: maxStreams, maxHeaderListSize: maxHeaderBytes },
    maxSessionMemory: 32,
  });
  const answer = (req: Http2ServerRequest, res: Http2ServerResponse): void => {
    boundTimeouts(req.headers);
    if (!isCall(req.url)) {
      own(req, res);
      return;
    }
    for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
    if (admit(req, res)) serve(req, res);
  };
  server.on("request", (req: Http2ServerRequest, res: Http2ServerResponse) => {
    if (!door(req, res)) answer(req, res);
  });
  // The app says itself whether it wants the body; the API takes it.
  server.on("checkContinue", (req: Http2ServerRequest, res: Http2ServerResponse) => {
    if (door(req, res)) return;
    res.writeContinue();
    answer(req, res);
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("sessionError", (error: Error) => log.debug({ err: error }, "an HTTP/2 connection failed"));
  return {
    accept(socket) {
      // A client of HTTP/1.1 may end its half and wait for the answer, so the socket was made for that. In HTTP/2 an end means
      // that the client has gone, and nothing that it began is to be held any longer.
      socket.allowHalfOpen = false;
      server.emit("connection", socket);
    },
    drain() {
      for (const session of sessions) session.close();
    },
    destroy() {
      for (const session of sessions) session.destroy();
    },
  };
}

/** Puts the longest time-out that can be kept in place of a longer one. */
export function boundTimeouts(headers: IncomingHttpHeaders): void {
  for (const name of timeoutHeaders) {
    const value = headers[name];
    const bounded = typeof value === "string" ? boundedTimeout(value) : undefined;
    if (bounded !== undefined) headers[name] = bounded;
  }
}
