/**
 * The door for browsers: each app has a host of its own, so that its pages share nothing with the console's or another
 * app's. A one-time code brings in, a cookie on that host keeps in, and no credential of the console is ever looked at.
 */
import { Door } from "../../gen/fairlead/console/v1/access_pb.ts";
import { findPort, httpScheme, type PortChoice, parsePort } from "../../tunnel/app-port.ts";
import { authorityOf } from "../../tunnel/client-side.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { presentedBy } from "../auth/presented.ts";
import type { Principal } from "../auth/principal.ts";
import { bearerToken, isForConsole } from "../auth/token.ts";
import type { Problem } from "../problem.ts";
import { type AppCatalogue, type AppDoor, doorKey, plainDoor } from "./app-view.ts";
import type { BasicAuth } from "./basic-auth.ts";
import {
  type BrowserBase,
  browserRequest,
  isOwnPath,
  landing,
  type Opened,
  originOf,
  pathOfCode,
  principalOf,
  serveOwnPath,
} from "./browser-entry.ts";
import type { DoorBinding, DoorSessions } from "./door-sessions.ts";
import { answerProblem, type DoorRequest, goneSignal } from "./exchange.ts";
import { badRequest, doorBroken, mayNot, noSuchApp, noSuchHost, noSuchPort, notHttp } from "./explain.ts";
import { foreignPage, notIn, passwordNeeded, tokenNeeded, tooManyWrong, usedUp } from "./explain-entry.ts";
import type { HostNames } from "./host-names.ts";
import { type PassOnDeps, passOnToApp } from "./pass-on.ts";
import { readRequestTarget } from "./request-target.ts";
import { mayUseCookie, saysNothing, shield } from "./same-host.ts";

export interface AppHostDeps extends PassOnDeps {
  apps: AppCatalogue;
  /** The host names of the apps as they are now. */
  names(): HostNames;
  sessions: DoorSessions;
  authenticator: Authenticator;
  basicAuth: BasicAuth;
  /** What follows the app's label, such as "localhost". */
  domain: string;
}

/** What is asked to be opened. */
export interface OpenRequest {
  readonly namespace: string;
  readonly name: string;
  /** Name or number; empty or absent: the first port that speaks HTTP. */
  readonly port?: string;
  /** Where to land; "/" unless given. */
  readonly path?: string;
}

export interface AppHostDoor {
  /** The label before the domain, when this Host is below it; undefined when the host is none of an app. */
  labelOf(host: string): string | undefined;
  serve(request: DoorRequest, label: string, secure: boolean): Promise<void>;
  /** An address that opens the app's page once. `base` is how the browser reaches this server. */
  open(asked: OpenRequest, principal: Principal, base: BrowserBase): Opened;
  /** Where the page of an app is, for who is let in already; undefined for an app without one. */
  pageOf(namespace: string, name: string, base: BrowserBase): string | undefined;
  /** The address of the app's page, without a code. */
  addressOf(door: AppDoor, path: string, base: BrowserBase): string;
}

interface Admitted {
  readonly ok: true;
  /** Who it is, for the audit. */
  readonly person: string;
  /** Undefined where the door asks for no sign-in here. */
  readonly principal?: Principal | undefined;
  /** Whether a browser brings what lets in by itself, whoever makes it ask. */
  readonly unasked: boolean;
  /** Whether the Authorization header was for the door. */
  readonly spent: boolean;
}

export function createAppHostDoor(deps: AppHostDeps): AppHostDoor {
  const suffix = `.${deps.domain.toLowerCase()}`;

  function labelOf(host: string): string | undefined {
    const name = hostName(host);
    if (!name.endsWith(suffix)) return undefined;
    return name.slice(0, -suffix.length);
  }

  async function serve(request: DoorRequest, label: string, secure: boolean): Promise<void> {
    const { req } = request;
    const target = readRequestTarget(req.url ?? "");
    if (!target.ok) return answerProblem(request, badRequest(target.detail));
    const host = label + suffix;
    const door = deps.names().find(label);
    if (!door) return answerProblem(request, noSuchHost(host));
    const binding: DoorBinding = { host, key: doorKey(door) };
    const at = { sessions: deps.sessions, binding, secure };
    if (isOwnPath(target)) return serveOwnPath(request, target, { ...at, usedUp: () => usedUp(door) });
    const authority = authorityOf(req);
    const admitted = await admit(request, door, binding, secure);
    if (!admitted.ok) return answerProblem(request, admitted.problem);
    const asker = { ...browserRequest(request), host: authority };
    if (admitted.unasked && !mayUseCookie(asker)) return answerProblem(request, foreignPage());
    await passOnToApp(deps, request, {
      door,
      person: admitted.person,
      path: target.path + target.query,
      arrival: { scheme: secure ? "https" : "http", host: authority, clientAddress: req.socket.remoteAddress ?? "" },
      stripAuthorization: admitted.spent || isForConsole(bearerToken(req.headers.authorization) ?? ""),
      admitted: admitted.principal && { principal: admitted.principal, door: Door.APP },
      ...(admitted.unasked && saysNothing(asker) && { answerHeaders: shield }),
    });
  }

  /** Whether the app's door opens, and to whom. */
  async function admit(
    request: DoorRequest,
    door: AppDoor,
    binding: DoorBinding,
    secure: boolean,
  ): Promise<Admitted | { ok: false; problem: Problem }> {
    const { access, basicAuthSecret } = door.app.door ?? plainDoor;
    const { authorization } = request.req.headers;
    if (access === "Public") return { ok: true, person: "public", unasked: false, spent: false };
    if (access === "Basic") return admitByPassword(door, basicAuthSecret, authorization);
    if (access === "Token") {
      const presented = presentedBy(request.req, { secure, upgrade: request.kind === "upgrade" });
      const principal = await deps.authenticator.authenticate({ ...presented, cookie: undefined }, goneSignal(request));
      return principal ? admitPrincipal(door, principal, { unasked: false, spent: true }) : refuse(tokenNeeded(door));
    }
    const principal = principalOf(request.req, { sessions: deps.sessions, binding, secure });
    return principal ? admitPrincipal(door, principal, { unasked: true, spent: false }) : refuse(notIn(door));
  }

  function admitPrincipal({ app }: AppDoor, principal: Principal, how: { unasked: boolean; spent: boolean }) {
    const refused = deps.guard.refuses(principal, Door.APP, { found: app.peer });
    if (refused !== undefined) return refuse(mayNot(refused));
    return { ok: true, person: principal.name, principal, ...how } as const;
  }

  async function admitByPassword({ app }: AppDoor, secret: string | undefined, authorization: string | undefined) {
    const { namespace, name } = app;
    if (secret === undefined)
      return refuse(doorBroken(app, "The door asks for passwords and names no basicAuthSecret."));
    const content = deps.content({ kind: "Secret", namespace, name: secret });
    if (!content.ok) return refuse(doorBroken(app, content.message));
    const checked = await deps.basicAuth.check(`${namespace}/${name}`, content.texts(), authorization);
    if (checked === "later") return refuse(tooManyWrong(app));
    if (checked === "unknown") return refuse(passwordNeeded(app));
    // A browser sends a password again by itself, whoever makes it ask.
    return { ok: true, person: `basic:${checked.user}`, unasked: true, spent: true } as const;
  }

  function addressOf(door: AppDoor, path: string, base: BrowserBase): string {
    return originOf(deps.names().labelOf(door) + suffix, base) + path;
  }

  function pageOf(namespace: string, name: string, base: BrowserBase): string | undefined {
    const app = deps.apps.get(namespace, name);
    const port = app?.ports.find((one) => httpScheme(one.appProtocol) !== undefined);
    return app && port && addressOf({ app, port }, "/", base);
  }

  function open(asked: OpenRequest, principal: Principal, base: BrowserBase): Opened {
    const app = deps.apps.get(asked.namespace, asked.name);
    if (!app) return { ok: false, problem: noSuchApp(asked.namespace, asked.name) };
    const choice: PortChoice = asked.port ? (parsePort(asked.port) ?? asked.port) : undefined;
    const speaking = app.ports.filter((port) => httpScheme(port.appProtocol) !== undefined);
    const port = findPort(choice === undefined ? speaking : app.ports, choice);
    if (!port) return { ok: false, problem: noSuchPort(app, choice ?? "that speaks HTTP") };
    const door = { app, port };
    if (httpScheme(port.appProtocol) === undefined) return { ok: false, problem: notHttp(door) };
    const { access } = app.door ?? plainDoor;
    if (access === "Token") return { ok: false, problem: tokenNeeded(door) };
    const path = landing(asked.path || "/");
    if (path === undefined) {
      return { ok: false, problem: badRequest(`The path ${JSON.stringify(asked.path)} is not one to land on.`) };
    }
    if (access !== "Users") return { ok: true, url: addressOf(door, path, base), host: addressOf(door, "", base) };
    const host = deps.names().labelOf(door) + suffix;
    const code = deps.sessions.mintCode({ host, key: doorKey(door) }, principal, path);
    return {
      ok: true,
      url: addressOf(door, pathOfCode(code), base),
      host: addressOf(door, "", base),
    };
  }

  return { labelOf, serve, open, pageOf, addressOf };
}

/** Lower case, without port and the root's dot. */
function hostName(host: string): string {
  return host
    .toLowerCase()
    .replace(/:[0-9]*$/, "")
    .replace(/\.$/, "");
}

function refuse(problem: Problem): { ok: false; problem: Problem } {
  return { ok: false, problem };
}
