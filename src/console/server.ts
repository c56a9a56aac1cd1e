/**
 * The console's port: the API for programs, and the doors to apps. Whatever asks for an app's host goes to that door and
 * nowhere else; the rest is the console's own.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { Code, ConnectError, type ConnectRouter, type Interceptor } from "@connectrpc/connect";
import { fastifyConnectPlugin } from "@connectrpc/connect-fastify";
import { createValidateInterceptor } from "@connectrpc/validate";
import { type FastifyInstance, fastify } from "fastify";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { HttpForwarder } from "../tunnel/http.ts";
import { mayUpgrade } from "../tunnel/upgrade.ts";
import { type Authenticator, requirePrincipal } from "./auth/authenticator.ts";
import type { AppCatalogue } from "./doors/app-view.ts";
import { createDoors, type Doors } from "./doors/doors.ts";
import type { PeerPresence } from "./doors/explain.ts";
import { renderProblem } from "./problem.ts";

export interface ConsoleServerDeps {
  /** Where it listens; port 0 takes a free one. */
  host: string;
  port: number;
  /** Apps are shown below it; "localhost" unless given. */
  domain?: string;
  /** Every service of the API. They are reached by authenticated callers only. */
  routes(router: ConnectRouter): void;
  /** Around every RPC, after authentication and validation. */
  interceptors?: readonly Interceptor[];
  authenticator: Authenticator;
  apps: AppCatalogue;
  http: HttpForwarder;
  presence(peer: string): PeerPresence | undefined;
  clock: Clock;
  log: Log;
}

export interface ConsoleServer {
  /** Resolves once it listens; rejects when the address cannot be had. */
  listen(): Promise<{ port: number }>;
  /** Opens apps for browsers: one-time addresses. */
  readonly open: Doors["open"];
  /** Takes nothing new, gives requests to apps 5 s, calls of the API half a second, then ends them. */
  close(): Promise<void>;
}

/** Bytes of one message of the API. Doors have no limit: they hold nothing. */
const maxMessageBytes = 4 * 1024 * 1024;
/** At the end, requests at doors have so long to finish, in milliseconds, and calls of the API so long: watches never do. */
const doorGraceMs = 5_000;
const apiGraceMs = 500;

export function createConsoleServer(deps: ConsoleServerDeps): ConsoleServer {
  const { log } = deps;
  let port = deps.port;
  const doors = createDoors({ ...deps, domain: deps.domain ?? "localhost", port: () => port });
  const stopApi = new AbortController();
  const upgraded = new Set<Duplex>();
  let server: Server | undefined;
  const app = fastify({
    logger: false,
    bodyLimit: maxMessageBytes,
    serverFactory: (handler) => {
      server = createHttpServer(doors, upgraded, log, handler);
      return server;
    },
  });
  refuseTheRest(app, log);
  app.addHook("onRequest", async (_request, reply) => void reply.headers(securityHeaders));
  app.register(fastifyConnectPlugin, {
    routes: deps.routes,
    interceptors: [requirePrincipal(deps.authenticator), createValidateInterceptor(), ...(deps.interceptors ?? [])],
    readMaxBytes: maxMessageBytes,
    shutdownSignal: stopApi.signal,
  });

  return {
    open: doors.open,
    async listen() {
      await app.listen({ host: deps.host, port: deps.port });
      const address: AddressInfo | string | null | undefined = server?.address();
      if (address && typeof address === "object") port = address.port;
      log.info({ host: deps.host, port }, "console listens");
      return { port };
    },
    async close() {
      const stopping = new ConnectError("The agent is stopping.", Code.Unavailable);
      const ends = [
        deps.clock.after(apiGraceMs, () => stopApi.abort(stopping)),
        deps.clock.after(doorGraceMs, () => {
          server?.closeAllConnections();
          for (const socket of upgraded) socket.destroy();
        }),
      ];
      doors.close();
      try {
        await app.close();
      } finally {
        for (const end of ends) end.cancel();
      }
    },
  };
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void;

/** Node's own parser, strict, with limits on what comes before a body and none on how long one takes. */
function createHttpServer(doors: Doors, upgraded: Set<Duplex>, log: Log, handler: Handler): Server {
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
  server.maxConnections = 10_000;
  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    if (!doors.serve({ kind: "http", req, res })) handler(req, res);
  };
  server.on("request", onRequest);
  // The app says itself whether it wants the body; the console's own takes it.
  server.on("checkContinue", (req: IncomingMessage, res: ServerResponse) => {
    if (doors.serve({ kind: "http", req, res })) return;
    res.writeContinue();
    handler(req, res);
  });
  server.on("upgrade", (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", () => undefined);
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

function refuseTheRest(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler((request, reply) => {
    const detail =
      "This agent serves its API here, and apps at /apps/<namespace>/<app>/<port>/ and on hosts of their own.";
    const rendered = renderProblem(
      { status: 404, code: "not-found", title: "Nothing here", detail },
      request.headers.accept,
    );
    return reply.code(rendered.status).headers(Object.fromEntries(rendered.headers)).send(rendered.body);
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode !== undefined && error.statusCode < 500 ? error.statusCode : 500;
    if (status === 500) log.error({ err: error }, "request failed");
    const detail = status === 500 ? "A defect of the agent; its log says more." : error.message;
    const rendered = renderProblem({ status, code: "error", title: "Not done", detail }, request.headers.accept);
    return reply.code(rendered.status).headers(Object.fromEntries(rendered.headers)).send(rendered.body);
  });
}

/** For everything that is the console's own; apps answer for themselves, on their own hosts. */
const securityHeaders = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};
