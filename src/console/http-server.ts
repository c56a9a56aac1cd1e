/** The console's HTTP/1.1: doors first, and the rest to whoever handles the console's own. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Log } from "../base/log.ts";
import { mayUpgrade } from "../tunnel/upgrade.ts";
import type { ClientConnections } from "./client-connections.ts";
import type { Doors } from "./doors/doors.ts";

type Handler = (req: IncomingMessage, res: ServerResponse) => void;

/**
 * Node's own parser, strict, with limits on what comes before a body and none on how long one takes. Sockets that have left
 * HTTP are in `upgraded` as long as they are open.
 */
export function createHttpServer(
  o: { doors: Doors; clients: Pick<ClientConnections, "begin">; upgraded: Set<Duplex>; log: Log },
  handler: Handler,
): Server {
  const { doors, clients, upgraded, log } = o;
  const server = createServer({
    requestTimeout: 0,
    headersTimeout: 30_000,
    keepAliveTimeout: 75_000,
    // TCP's own probes find the client that has gone without a word, in whose name an app would stream for ever.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    maxHeaderSize: 32 * 1024,
    insecureHTTPParser: false,
    requireHostHeader: true,
    joinDuplicateHeaders: false,
    shouldUpgradeCallback: (req) => mayUpgrade(req.headers.upgrade),
  });
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    res.once("close", clients.begin(req.socket));
    if (!doors.serve({ kind: "http", req, res })) handler(req, res);
  };
  server.on("request", onRequest);
  // The app says itself whether it wants the body; the console's own takes it.
  server.on("checkContinue", (req: IncomingMessage, res: ServerResponse) => {
    res.once("close", clients.begin(req.socket));
    if (doors.serve({ kind: "http", req, res })) return;
    res.writeContinue();
    handler(req, res);
  });
  server.on("upgrade", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => undefined);
    clients.begin(req.socket);
    upgraded.add(socket); // Node forgets it from here on.
    socket.once("close", () => upgraded.delete(socket));
    const served = doors.serve({ kind: "upgrade", req, socket, head });
    if (!served) socket.end("HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  server.on("clientError", (error: Error & { code?: string }, socket: Duplex) => {
    log.debug({ code: error.code }, "request refused by the parser");
    if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
    const status = error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  return server;
}
