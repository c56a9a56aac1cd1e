/** A console in front of two agents: its apps are real HTTP servers at the other end of a real session. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  request,
  type Server,
} from "node:http";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Known } from "../../src/console/access/concern.ts";
import { adminTokenWay } from "../../src/console/auth/admin-token.ts";
import type { Way } from "../../src/console/auth/authenticator.ts";
import type { Principal } from "../../src/console/auth/principal.ts";
import { hashToken } from "../../src/console/auth/token.ts";
import type { AppView } from "../../src/console/doors/app-view.ts";
import type { PeerPresence } from "../../src/console/doors/explain.ts";
import { type ConsoleServer, type ConsoleServerDeps, createConsoleServer } from "../../src/console/server.ts";
import { ownCertificate } from "../../src/console/tls/served-certificate.ts";
import { makeAuthority, readAuthority } from "../../src/identity/authority.ts";
import { issueServerLeaf } from "../../src/identity/leaf.ts";
import { Reason } from "../../src/wire/reason.ts";
import { startTwoAgents, type TwoAgents, uidOf } from "../tunnel/two-agents.ts";
import { accessBy } from "./people.ts";

export const token = "flt_0123456789abcdefghijklmnopqrstuvwxyz";
/** The way of whoever has it. */
export const ownWay = adminTokenWay(hashToken(token));
export const bearer = { authorization: `Bearer ${token}` };

/** Who has it. */
export const admin: Principal = await whoHas(ownWay);

/** The agent's CA, by which its port's certificate is signed. */
export const authority = readAuthority(makeAuthority(Date.now()));

export interface ConsoleWorld extends AsyncDisposable {
  readonly agents: TwoAgents;
  readonly server: ConsoleServer;
  readonly port: number;
  presence: PeerPresence | undefined;
  /** Who the peer "there" is. */
  identity: string | undefined;
  /** What Secrets and ConfigMaps hold, by "Kind namespace/name". */
  readonly contents: Map<string, Readonly<Record<string, string>>>;
  /** Runs an app at the host and shows it at the origin as `shop/<name>`. */
  run(name: string, app: RequestListener | Server, more?: Partial<AppView>): Promise<AppView>;
  show(app: AppView): void;
  /** The session cookie that a browser gets at the app's host. */
  signIn(name: string): Promise<string>;
  ask(path: string, o?: AskOptions): Promise<Answer>;
}

export interface AskOptions {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export async function startConsole(
  o: { clock?: Clock; agents?: Parameters<typeof startTwoAgents>[0] } & Partial<
    Pick<
      ConsoleServerDeps,
      | "routes"
      | "dial"
      | "pages"
      | "peerDoors"
      | "interceptors"
      | "isReady"
      | "domain"
      | "consoleUrl"
      | "events"
      | "mostConnections"
      | "untakenMs"
    >
  > & { ways?: readonly Way[]; known?: Partial<Known> } = {},
): Promise<ConsoleWorld> {
  const agents = await startTwoAgents(o.agents);
  const apps = new Map<string, AppView>();
  const servers: Server[] = [];
  let changed = (_namespace: string, _name: string): void => undefined;
  const world = {
    presence: undefined as PeerPresence | undefined,
    identity: "ab12" as string | undefined,
    contents: new Map<string, Readonly<Record<string, string>>>(),
  };
  const server = createConsoleServer({
    host: "127.0.0.1",
    port: 0,
    ...(o.domain !== undefined && { domain: o.domain }),
    ...(o.untakenMs !== undefined && { untakenMs: o.untakenMs }),
    routes: o.routes ?? (() => undefined),
    ...(o.isReady && { isReady: o.isReady }),
    access: accessBy(o.ways ?? [ownWay], o.clock, o.known),
    ...(o.interceptors && { interceptors: o.interceptors }),
    events: o.events,
    ...(o.pages && { pages: o.pages }),
    apps: {
      list: () => [...apps.values()],
      get: (namespace, name) => apps.get(`${namespace}/${name}`),
      subscribe(fn) {
        changed = fn;
        return () => undefined;
      },
    },
    http: agents.origin.http,
    hello: { instance: randomBytes(16), version: "0.0.1" },
    dial: o.dial ?? ((incoming) => incoming.refuse(Reason.NOT_FOUND, "Nothing is there.")),
    identityOf: (peer) => (peer === "there" ? world.identity : undefined),
    presence: (peer) => world.presence ?? (peer === "there" ? { connected: true } : undefined),
    content: ({ kind, namespace, name }) => {
      const texts = world.contents.get(`${kind} ${namespace}/${name}`);
      return texts ? { ok: true, texts: () => texts } : { ok: false, message: `There is no ${kind} ${name}.` };
    },
    ...(o.peerDoors && { peerDoors: o.peerDoors }),
    consoleUrl: o.consoleUrl,
    ...(o.mostConnections !== undefined && { mostConnections: o.mostConnections }),
    certificate: ownCertificate(
      {
        issue: (names, lifetimeMs) => issueServerLeaf(authority, names, Date.now(), lifetimeMs),
        caPem: authority.certPem,
        clock: systemClock,
      },
      ["localhost", "apps.example", "*.apps.example", "127.0.0.1", "::1"],
    ),
    clock: o.clock ?? systemClock,
    log: silentLog,
  });
  const { port } = await server.listen();

  function show(app: AppView): void {
    apps.set(`${app.namespace}/${app.name}`, app);
    changed(app.namespace, app.name);
  }

  return Object.assign(world, {
    agents,
    server,
    port,
    show,
    async run(name: string, listener: RequestListener | Server, more: Partial<AppView> = {}): Promise<AppView> {
      const app = typeof listener === "function" ? createServer(listener) : listener;
      app.listen(0, "127.0.0.1");
      await once(app, "listening");
      servers.push(app);
      const address = app.address();
      if (!address || typeof address !== "object") throw new Error("no address");
      const ports = more.ports?.map((each) => ({ ...each, number: address.port })) ?? [
        { name: "http", number: address.port },
      ];
      agents.offer(name, address.port, { ports });
      const view: AppView = { namespace: "shop", name, uid: uidOf(name), peer: "there", ...more, ports };
      show(view);
      return view;
    },
    async signIn(name: string): Promise<string> {
      const opened = server.open({ namespace: "shop", name }, admin);
      if (!opened.ok) throw new Error(opened.problem.detail);
      const url = new URL(opened.url);
      const answer = await ask(port, url.pathname + url.search, { headers: { host: url.host } });
      return answer.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
    },
    ask: (path: string, options?: AskOptions) => ask(port, path, options),
    async [Symbol.asyncDispose]() {
      const closed = server.close();
      await agents[Symbol.asyncDispose]();
      for (const each of servers) {
        each.close();
        each.closeAllConnections();
      }
      await closed;
    },
  });
}

async function ask(port: number, path: string, o: AskOptions = {}): Promise<Answer> {
  const req = request({
    port,
    host: "127.0.0.1",
    path,
    method: o.method ?? "GET",
    headers: o.headers ?? {},
    agent: false,
  });
  req.on("error", () => undefined); // After an early answer the rest of the body may find the connection closed.
  req.end(o.body);
  const [res]: [IncomingMessage] = (await once(req, "response")) as [IncomingMessage];
  const text = Buffer.concat(await res.toArray()).toString();
  return { status: res.statusCode ?? 0, headers: res.headers, text };
}

async function whoHas(way: Way): Promise<Principal> {
  const presented = { authorization: bearer.authorization, method: "GET", url: "http://localhost/", upgrade: false };
  const principal = await way.authenticate(presented, new AbortController().signal);
  if (!principal) throw new Error("The token is not known.");
  return principal;
}
