/** The console over HTTP/2: doors first, then the API, for gRPC clients and all that streams in both directions, and then the console's own pages. */
import { createServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Log } from "../base/log.ts";
import type { ClientConnections } from "./client-connections.ts";

export interface Http2Api {
  /** Serves a connection of which the first bytes are still to be read. */
  accept(socket: Socket): void;
  /** Takes no new calls; connections go as their last call ends. */
  drain(): void;
  /** Ends what is left. */
  destroy(): void;
}

export interface Http2ApiOptions {
  /** Serves what is for no door: calls, and the console's own pages, as over HTTP/1.1. */
  own(req: Http2ServerRequest, res: Http2ServerResponse): void;
  /** Takes the request when it is for a door. */
  door(req: Http2ServerRequest, res: Http2ServerResponse): boolean;
  clients: Pick<ClientConnections, "begin">;
  log: Log;
}

/** Streams of one connection at a time. */
const maxStreams = 256;

/** As much as comes before a body in HTTP/1.1. */
const maxHeaderBytes = 32 * 1024;

export function createHttp2Api({ door, own, clients, log }: Http2ApiOptions): Http2Api {
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const server = createServer({
    settings: { maxConcurrentStreams: maxStreams, maxHeaderListSize: maxHeaderBytes },
    maxSessionMemory: 32,
  });
  server.on("request", (req: Http2ServerRequest, res: Http2ServerResponse) => {
    // Of a connection that has ended Node still tells what had come. Its streams are closed, and never tell so again.
    if (req.stream.destroyed) return;
    if (!door(req, res)) own(req, res);
  });
  // The app says itself whether it wants the body; the API takes it.
  server.on("checkContinue", (req: Http2ServerRequest, res: Http2ServerResponse) => {
    if (req.stream.destroyed || door(req, res)) return;
    res.writeContinue();
    own(req, res);
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    // Kept, since a session that was ended has no socket any more, and streams that it had are still told of.
    const { remoteAddress, remotePort } = session.socket;
    session.on("stream", (stream) => {
      if (!stream.destroyed) stream.once("close", clients.begin({ remoteAddress, remotePort }));
    });
  });
  server.on("sessionError", (error: Error) => log.debug({ err: error }, "an HTTP/2 connection failed"));
  return {
    accept(socket) {
      // A client of HTTP/1.1 may end its half and wait for the answer, so the socket was made for that. In HTTP/2 an end means
      // that the client has gone, and nothing that it began is to be held any longer.
      socket.allowHalfOpen = false;
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      server.emit("connection", socket);
    },
    drain() {
      for (const session of sessions) session.close();
    },
    destroy() {
      for (const session of sessions) session.destroy();
      // One that is being drained waits for its client to have read all, which may be never.
      for (const socket of sockets) socket.destroy();
    },
  };
}
