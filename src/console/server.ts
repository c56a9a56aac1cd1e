/**
 * The console's port: the API for programs, and the doors to apps. Whatever asks for an app's host goes to that door and
 * nowhere else; the rest is the console's own.
 */
import { EventEmitter } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { Code, ConnectError, type ConnectRouter, type Interceptor } from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { failWhatIsCutShort } from "../rpc/cut-short.ts";
import { shortenErrors } from "../rpc/short-errors.ts";
import type { ClientRequest, ClientResponse } from "../tunnel/client-side.ts";
import type { HttpForwarder } from "../tunnel/http.ts";
import type { LocalHello } from "../wire/session.ts";
import type { ConsoleAccess } from "./access/console-access.ts";
import { createAnyoneServices } from "./anyone/anyone-services.ts";
import { createOpenCalls } from "./anyone/open-calls.ts";
import { serveOpenApi } from "./anyone/openapi-page.ts";
import { createApiCalls } from "./api-calls.ts";
import { guardRouter } from "./auth/guarded-router.ts";
import { createClientConnections } from "./client-connections.ts";
import type { AppCatalogue } from "./doors/app-view.ts";
import { createDoors, type Doors, type DoorsDeps } from "./doors/doors.ts";
import type { PeerPresence } from "./doors/explain.ts";
import type { PeerDoor } from "./doors/peers-path.ts";
import { divert } from "./first-bytes.ts";
import { createHttpServer } from "./http-server.ts";
import { createHttp2Api } from "./http2-api.ts";
import { renderProblem } from "./problem.ts";
import { createSessionDoor, type SessionDoorDeps } from "./session-door.ts";
import type { ServedCertificate } from "./tls/served-certificate.ts";
import { createTlsPort } from "./tls/tls-port.ts";
import { sayWhenBack } from "./try-later.ts";
import { endUntaken } from "./untaken-answers.ts";
import { type EventsDoor, serveEvents } from "./watch/events-door.ts";

export interface ConsoleServerDeps {
  /** Where it listens; port 0 takes a free one. */
  host: string;
  port: number;
  /** Apps are shown below it; "localhost" unless given. */
  domain?: string;
  /** Every service of the API. Each method is reached by whom its proto lets in. */
  routes(router: ConnectRouter): void;
  /** Around every RPC, after authentication and validation. */
  interceptors?: readonly Interceptor[];
  /** Pages of the console's own, beside the API. */
  pages?(app: FastifyInstance): void;
  access: ConsoleAccess;
  /** Whether the agent is ready, for who asks by gRPC's health service. Always unless given. */
  isReady?(): boolean;
  apps: AppCatalogue;
  http: HttpForwarder;
  /** What this agent says of itself to programs that open a session. */
  hello: LocalHello;
  /** Answers a dial on a session. Returns at once and must not throw. */
  dial: SessionDoorDeps["dial"];
  presence(peer: string): PeerPresence | undefined;
  identityOf: DoorsDeps["identityOf"];
  /** Where people reach the console over TLS, as the operator says. */
  consoleUrl?: string | undefined;
  /** Where changes are told as server-sent events. */
  events?: EventsDoor | undefined;
  /** How long bytes of an answer of the console's own may wait for who does not read, in milliseconds; two minutes unless given. */
  untakenMs?: number;
  /** What a Secret or ConfigMap in an app's namespace holds that its door refers to. */
  content: DoorsDeps["content"];
  /** What else can be reached at a peer beside Services, by the word behind `/peers/<peer>/`. */
  peerDoors?: Readonly<Record<string, PeerDoor>>;
  /** Connections at a time; 10,000 unless given. */
  mostConnections?: number;
  /** For clients that begin with TLS, on the same port. */
  certificate: ServedCertificate;
  clock: Clock;
  log: Log;
}

export interface ConsoleServer {
  /** Resolves once it listens; rejects when the address cannot be had. */
  listen(): Promise<{ port: number }>;
  /** Opens apps for browsers: one-time addresses. */
  readonly open: Doors["open"];
  readonly openTarget: Doors["openTarget"];
  readonly pageOf: Doors["pageOf"];
  /** Takes nothing new, gives requests to apps 5 s, calls of the API half a second, then ends them. */
  close(): Promise<void>;
}

/** Bytes of what is asked of the console's own pages. Doors have no limit: they hold nothing. */
const largestBody = 64 * 1024;
const mostConnections = 10_000;
/** At the end, requests at doors have so long to finish, in milliseconds, and calls of the API so long: watches never do. */
const doorGraceMs = 5_000;
const apiGraceMs = 500;

export function createConsoleServer(deps: ConsoleServerDeps): ConsoleServer {
  const { log } = deps;
  let port = deps.port;
  const stopApi = new AbortController();
  const clients = createClientConnections(deps.mostConnections ?? mostConnections);
  const upgraded = new Set<Duplex>();
  let server: Server | undefined;
  let serveHttp1 = (connection: Duplex): void => void connection.destroy(); // Until there is a server.
  let stopping = false;
  // Fastify serves the requests of either protocol, and its types know those of the server that it was made for.
  const own = new EventEmitter();
  const { authenticator, guard, doors: doorGuard } = deps.access;
  const always = [failWhatIsCutShort(), createValidateInterceptor()];
  const interceptors = [shortenErrors(), guard.know, guard.judge, ...always, ...(deps.interceptors ?? [])];
  const anyone = createAnyoneServices({
    ...deps,
    isServing: () => !stopping && (deps.isReady?.() ?? true),
  });
  const calls = createApiCalls({
    routes(router) {
      deps.routes(guardRouter(router, { interceptors, gate: guard.gate }));
      anyone.routes(guardRouter(router, { interceptors: always }));
    },
    stop: stopApi.signal,
    clock: deps.clock,
    log,
  });
  const session = createSessionDoor({
    ...deps,
    authenticator,
    routes: (router) => deps.routes(guardRouter(router, { interceptors })),
  });
  const doors = createDoors({
    ...deps,
    authenticator,
    session,
    guard: doorGuard,
    domain: deps.domain ?? "localhost",
    port: () => port,
  });
  const open = createOpenCalls({ paths: anyone.openPaths, clock: deps.clock });
  /** What is for no door, over either protocol. */
  const serveOwn = (req: ClientRequest, res: ClientResponse): void => {
    // Whoever reads it hears of its end there. One that is cut as they stop to read tells nobody else, and an error that nobody hears ends the agent.
    req.on("error", () => undefined);
    endUntaken(res, deps.untakenMs);
    // What has the look of a call of ours is told which there are.
    if (!isOurs(req.url) && !calls.claims(req.url) && !anyone.claims(req.url)) {
      own.emit("request", req, res);
      return;
    }
    for (const [name, value] of Object.entries(securityHeaders)) res.setHeader(name, value);
    if (open.admit(req, res)) calls.serve(req, res);
  };
  const http2 = createHttp2Api({
    door: (req, res) => doors.serve({ kind: "http", req, res }),
    own: serveOwn,
    clients,
    log,
  });
  const tls = createTlsPort({ ...deps, http1: (socket) => serveHttp1(socket), http2: http2.accept });
  const app = fastify({
    logger: false,
    bodyLimit: largestBody,
    // Of what it cannot read at all, such as a path, of which no hook is told.
    frameworkErrors: (error, request, reply) => void explain(error, request, reply.headers(securityHeaders), log),
    serverFactory: (handler) => {
      own.on("request", handler);
      server = createHttpServer({ doors, clients, upgraded, log }, serveOwn);
      serveHttp1 = divert(server, { admit: clients.admit, http2: http2.accept, tls: tls.accept });
      server.on("request", (_req: IncomingMessage, res: ServerResponse) => {
        // Node closes what is idle when it stops; what ends only then would be kept alive.
        res.once("close", () => stopping && setImmediate(() => server?.closeIdleConnections()));
      });
      return server;
    },
  });
  refuseTheRest(app, log);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(securityHeaders);
    // Of what is for nothing here no body is read.
    if (request.is404) return sayNothingIsHere(request, reply);
  });
  deps.pages?.(app);
  serveOpenApi(app, deps.clock);
  if (deps.events) serveEvents(app, deps.events, securityHeaders);

  return {
    open: doors.open,
    openTarget: doors.openTarget,
    pageOf: doors.pageOf,
    async listen() {
      await app.listen({ host: deps.host, port: deps.port });
      const address: AddressInfo | string | null | undefined = server?.address();
      if (address && typeof address === "object") port = address.port;
      log.info({ host: deps.host, port }, "console listens");
      return { port };
    },
    async close() {
      stopping = true;
      const reason = sayWhenBack(new ConnectError("The agent is stopping.", Code.Unavailable));
      const ends = [
        deps.clock.after(apiGraceMs, () => stopApi.abort(reason)),
        deps.clock.after(doorGraceMs, () => {
          http2.destroy();
          server?.closeAllConnections();
          for (const socket of upgraded) socket.destroy();
        }),
      ];
      doors.close();
      open.close();
      deps.events?.close();
      tls.close();
      deps.certificate.close();
      http2.drain();
      try {
        await Promise.all([app.close(), session.close(apiGraceMs)]);
      } finally {
        for (const end of ends) end.cancel();
      }
    },
  };
}

/** Whether it is a call of our own API that has this path. */
function isOurs(url = ""): boolean {
  return url.startsWith("/fairlead.");
}

function refuseTheRest(app: FastifyInstance, log: Log): void {
  app.setNotFoundHandler(sayNothingIsHere);
  app.setErrorHandler((error: FastifyError, request, reply) => explain(error, request, reply, log));
}

function sayNothingIsHere(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const detail =
    "This agent serves its API here, and apps at /apps/<namespace>/<app>/<port>/ and on hosts of their own.";
  const rendered = renderProblem(
    { status: 404, code: "not-found", title: "Nothing here", detail },
    request.headers.accept,
  );
  return reply.code(rendered.status).headers(Object.fromEntries(rendered.headers)).send(rendered.body);
}

function explain(error: FastifyError, request: FastifyRequest, reply: FastifyReply, log: Log) {
  const status = error.statusCode !== undefined && error.statusCode < 500 ? error.statusCode : 500;
  if (status === 500) log.error({ err: error }, "request failed");
  const detail = status === 500 ? "A defect of the agent; its log says more." : error.message;
  const rendered = renderProblem({ status, code: "error", title: "Not done", detail }, request.headers.accept);
  return reply.code(rendered.status).headers(Object.fromEntries(rendered.headers)).send(rendered.body);
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
