/**
 * Where a page may do harm: a console whose API writes down who calls it, two apps of one namespace that trust every page in the
 * world, and, in another namespace, the app whose page means ill. Its visitor is signed in everywhere.
 */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { BrowserContext, Page } from "playwright-core";
import { WebSocketServer } from "ws";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { parseSessionRecord } from "../../src/console/auth/session-record.ts";
import { createSessions } from "../../src/console/auth/sessions.ts";
import { setSessionCookie } from "../../src/console/sign-in/cookie.ts";
import { createSessionWay } from "../../src/console/sign-in/session-way.ts";
import { PeerService } from "../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { issueServerLeaf } from "../../src/identity/leaf.ts";
import { createMemoryKept } from "../console/auth/memory-kept.ts";
import { admin, authority, type ConsoleWorld, ownWay, startConsole } from "../console/console-world.ts";
import { person } from "../console/people.ts";
import { patience, until } from "../patience.ts";

/** How the console is reached. */
export interface Way {
  readonly name: string;
  readonly scheme: "http" | "https";
  /** Apps are shown below it, and it is the console's own host. */
  readonly domain: string;
}

/**
 * Browsers take names below localhost for sites that have nothing in common, and those below a domain for parts of one site; and they
 * say who asks only over TLS and on loopback names.
 */
export const ways: readonly Way[] = [
  { name: "on loopback names", scheme: "http", domain: "localhost" },
  { name: "on names of one domain, over TLS", scheme: "https", domain: "apps.example" },
  { name: "on names of one domain, in clear", scheme: "http", domain: "apps.example" },
];

export interface Landscape extends AsyncDisposable {
  readonly world: ConsoleWorld;
  /** Of the console, of apps, and of `careless`: a site that is not behind any door, and as trusting as the apps. */
  readonly origins: Readonly<Record<Place, string>>;
  /** What came to anybody: who, method and path. */
  readonly seen: string[];
  /** What says, since the visit, that the visitor is signed in at the console; nothing of it may be seen anywhere else. */
  consoleCookie: string;
  /** What the apps were shown of the visitor's credentials, which must be nothing of the console's. */
  readonly credentials: string[];
  /** Opens the page that means ill for somebody who is signed in at all the others. */
  visit(visitor: BrowserContext): Promise<Page>;
  /** An address that lets in at an app once. */
  open(app: "evil" | "web"): string;
}

export type Place = "console" | "evil" | "web" | "basic" | "careless";

/** A page of the console's own, which lets its visitor in there. */
export const ownPage = "/own";
export const secret = "only for who is signed in";

export async function startLandscape({ scheme, domain }: Pick<Way, "scheme" | "domain">): Promise<Landscape> {
  const seen: string[] = [];
  const credentials: string[] = [];
  const sessions = createSessions({
    kept: createMemoryKept(parseSessionRecord),
    principalOf: ({ name }, credential) => ({ ...person(name), kind: "user", credential }),
    clock: systemClock,
    log: silentLog,
  });
  const world = await startConsole({
    domain,
    ways: [ownWay, createSessionWay({ sessions, consoleUrl: undefined, log: silentLog })],
    pages(app) {
      app.get(ownPage, (_request, reply) =>
        reply
          .headers({ "Content-Type": "text/html", "Content-Security-Policy": "default-src 'self' ws: wss:" })
          .header("Set-Cookie", setSessionCookie(at(""), land.consoleCookie, 3_600_000))
          .send("<!doctype html><title>the console's own</title>"),
      );
    },
    routes: (router) =>
      router.service(PeerService, {
        listPeers() {
          seen.push("console ListPeers");
          return {};
        },
        removePeer() {
          seen.push("console RemovePeer");
          return {};
        },
      }),
  });
  const app = (name: string): Server => trusting(createServer(), name, seen, credentials);
  world.contents.set("Secret shop/people", { username: "ana", password: "secret" });
  await world.run("web", app("web"));
  await world.run("basic", app("basic"), { door: { access: "Basic", basicAuthSecret: "people" } });
  await world.run("evil", app("evil"), { namespace: "mallory" });
  for (const hosted of world.agents.hosted.values()) {
    const evil = hosted.get("shop/evil");
    if (evil) hosted.set("mallory/evil", evil);
    hosted.delete("shop/evil");
  }
  const careless = trusting(bare(scheme, domain), "careless", seen, credentials);
  careless.listen(0, "127.0.0.1");
  await once(careless, "listening");
  const carelessPort = (careless.address() as AddressInfo).port;
  const at = (label: string): string => `${scheme}://${label}${domain}:${world.port}`;
  const origins = {
    console: at(""),
    evil: at("evil-mallory-http."),
    web: at("web-shop-http."),
    basic: at("basic-shop-http."),
    careless: `${scheme}://careless.${domain}:${carelessPort}`,
  };

  function open(name: "evil" | "web"): string {
    const namespace = name === "evil" ? "mallory" : "shop";
    const opened = world.server.open({ namespace, name }, admin);
    if (!opened.ok) throw new Error(opened.problem.detail);
    return opened.url.replace("http:", `${scheme}:`);
  }

  const land: Landscape = {
    world,
    origins,
    seen,
    consoleCookie: "",
    credentials,
    open,
    async visit(visitor) {
      const page = await visitor.newPage();
      await page.goto(open("web"));
      await page.goto(origins.basic.replace("://", "://ana:secret@"));
      await page.goto(origins.careless);
      const from = { address: "127.0.0.1", userAgent: "" };
      land.consoleCookie = (await sessions.begin({ kind: "user", name: "ana", stamp: "" }, from, patience())).cookie;
      await page.goto(origins.console + ownPage);
      await page.goto(open("evil"));
      await until("each page was shown", () =>
        ["web", "basic", "careless", "evil"].every((one) => seen.includes(`${one} GET /`)),
      );
      seen.length = 0;
      return page;
    },
    async [Symbol.asyncDispose]() {
      careless.close();
      careless.closeAllConnections();
      await world[Symbol.asyncDispose]();
      await sessions.close();
    },
  };
  return land;
}

/** A server that is not behind a door. */
function bare(scheme: Way["scheme"], domain: string): Server {
  if (scheme === "http") return createServer();
  const { certPem, keyPem } = issueServerLeaf(authority, [{ dns: `*.${domain}` }], Date.now(), 3_600_000);
  return createTlsServer({ cert: certPem, key: keyPem.reveal() });
}

/** It lets pages of every origin read, write, frame and connect, with credentials: what keeps them out is before it. */
function trusting(server: Server, name: string, seen: string[], credentials: string[]): Server {
  const listener: RequestListener = (req, res) => {
    const { origin, cookie, authorization } = req.headers;
    const path = req.url ?? "";
    if (path === "/favicon.ico") return void res.writeHead(204).end();
    if (req.method !== "OPTIONS") seen.push(`${name} ${req.method} ${path}`);
    if (name !== "careless") credentials.push(...[cookie, authorization].filter((text) => text !== undefined));
    res.setHeader("Access-Control-Allow-Origin", origin ?? "*");
    res.setHeader("Access-Control-Allow-Credentials", "true");
    res.setHeader("Access-Control-Allow-Headers", req.headers["access-control-request-headers"] ?? "*");
    res.setHeader("Access-Control-Allow-Methods", req.headers["access-control-request-method"] ?? "*");
    res.setHeader("Set-Cookie", [`own-${name}=1; Path=/`, `tossed=1; Domain=${req.headers.host?.split(":")[0] ?? ""}`]);
    const [type, body] = contentOf(path);
    res.writeHead(200, { "content-type": type }).end(body);
  };
  const sockets = new WebSocketServer({ noServer: true });
  server.on("request", listener);
  server.on("upgrade", (req, socket, head) => {
    seen.push(`${name} UPGRADE ${req.url}`);
    sockets.handleUpgrade(req, socket, head, (webSocket) => webSocket.send(secret));
  });
  return server;
}

/** By the end of the path: whatever kind of thing a page asks for, it gets one that works. */
function contentOf(path: string): [type: string, body: string] {
  const [, ending = ""] = /(\.svg|\/[a-z]+\.(?:css|js)|\/events)$/.exec(path) ?? [];
  const text = JSON.stringify(secret);
  const contents: Record<string, [string, string]> = {
    ".svg": ["image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>`],
    "/style.css": ["text/css", `body { --got: ${text} }`],
    "/script.js": ["text/javascript", `globalThis.got = ${text};`],
    "/module.js": ["text/javascript", `globalThis.got = ${text}; export {};`],
    "/worker.js": ["text/javascript", `globalThis.DedicatedWorkerGlobalScope && postMessage(${text});`],
    "/between.js": ["text/javascript", between],
    "/events": ["text/event-stream", `data: ${secret}\n\n`],
  };
  return contents[ending] ?? ["text/html", `<!doctype html><title>${secret}</title><body>${secret}</body>`];
}

/** A service worker that asks for what it is told, and answers whether it got it. */
const between = `
  addEventListener("install", () => skipWaiting());
  addEventListener("message", ({ data, ports: [port] }) => {
    fetch(data, { credentials: "include" }).then(({ ok }) => port.postMessage(ok ? "read" : null), () => port.postMessage(null));
  });`;
