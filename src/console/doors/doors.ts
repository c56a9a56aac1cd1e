/** Which door a request is for. What is for none is the console's own. */
import type { Clock } from "../../base/clock.ts";
import { authorityOf, type ClientRequest } from "../../tunnel/client-side.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import type { Principal } from "../auth/principal.ts";
import type { Problem } from "../problem.ts";
import type { SessionDoor } from "../session-door.ts";
import { createAppHostDoor, type OpenRequest } from "./app-host.ts";
import { createAppPathDoor } from "./app-path.ts";
import { createAppRates } from "./app-rates.ts";
import type { AppCatalogue } from "./app-view.ts";
import { createBasicAuth } from "./basic-auth.ts";
import type { Opened } from "./browser-entry.ts";
import { createDoorSessions } from "./door-sessions.ts";
import { answerProblem, type DoorRequest } from "./exchange.ts";
import { badRequest } from "./explain.ts";
import { notFoundOut } from "./explain-entry.ts";
import { type HostNameIndex, type HostNames, indexHostNames } from "./host-names.ts";
import type { PassOnDeps } from "./pass-on.ts";
import { createPeersPath, type PeerDoor } from "./peers-path.ts";
import type { TargetDoor } from "./target-door.ts";
import { createTargetHostDoor } from "./target-host.ts";
import { createTargetPathDoor } from "./target-path.ts";

export interface DoorsDeps extends Omit<PassOnDeps, "rates"> {
  session: Pick<SessionDoor, "claims" | "serve">;
  apps: AppCatalogue;
  authenticator: Authenticator;
  /** What else can be reached at a peer beside Services, by the word behind `/peers/<peer>/`. */
  peerDoors?: Readonly<Record<string, PeerDoor>>;
  domain: string;
  /** Who the peer of that name is; another one may come by it. Undefined when there is none. */
  identityOf(peer: string): string | undefined;
  /** The port at which this server can be reached, as far as it knows. */
  port(): number;
  /** Where people reach this server over TLS, as the operator says. */
  consoleUrl?: string | undefined;
  clock: Clock;
}

export interface Doors {
  /** Takes the request when it is for a door, and answers it in its own time. False: it was left alone. */
  serve(request: DoorRequest): boolean;
  /**
   * An address that lets one browser in at an app's host, once, within 60 s. `caller` is how who asks has reached this server: the
   * address leads the same way, as through their port-forward. Where that names no port, it is as `pageOf` says.
   */
  open(asked: OpenRequest, principal: Principal, caller?: CallersWay): Opened;
  /** The same for what is at a peer and is no app. */
  openTarget(asked: TargetDoor & { readonly path: string }, principal: Principal, caller?: CallersWay): Opened;
  /** Where the page of an app is, for who is let in already: over TLS where the operator says so; undefined for an app without one. */
  pageOf(namespace: string, name: string): string | undefined;
  close(): void;
}

export interface CallersWay {
  /** As in Host. */
  readonly authority: string;
  readonly secure: boolean;
}

const defect: Problem = {
  status: 500,
  code: "internal",
  title: "Not done",
  detail: "A defect of the agent; its log says more.",
};

export function createDoors(deps: DoorsDeps): Doors {
  let names: HostNameIndex | undefined;
  const rates = createAppRates(deps.clock);
  const unsubscribe = deps.apps.subscribe((namespace, name) => {
    const app = deps.apps.get(namespace, name);
    names?.set(namespace, name, app);
    if (!app) rates.forget(namespace, name);
  });
  const currentNames = (): HostNames => {
    names ??= indexHostNames(deps.apps.list());
    return names;
  };
  const sessions = createDoorSessions(deps);
  const targetHost = createTargetHostDoor({ ...deps, sessions });
  const appHost = createAppHostDoor({
    ...deps,
    rates,
    names: currentNames,
    sessions,
    basicAuth: createBasicAuth(deps.clock),
  });
  const appPath = createAppPathDoor({ ...deps, rates, appHost });
  const peersPath = createPeersPath({
    doors: {
      services: createTargetPathDoor(deps, "service"),
      addresses: createTargetPathDoor(deps, "address"),
      ...deps.peerDoors,
    },
    authenticator: deps.authenticator,
    guard: deps.guard,
    isPeer: (name) => deps.presence(name) !== undefined,
  });

  function ownBase(): DoorBase {
    const url = deps.consoleUrl === undefined ? null : URL.parse(deps.consoleUrl);
    if (url?.protocol !== "https:") return { secure: false, port: deps.port() };
    return { secure: true, port: Number(url.port || 443) };
  }

  function serve(request: DoorRequest): boolean {
    const { req } = request;
    const secure = "encrypted" in req.socket && req.socket.encrypted === true;
    const host = authorityOf(req);
    const problem = judgeHost(req, host) ?? judgeUpgrade(request);
    if (problem !== undefined) {
      answerProblem(request, badRequest(problem));
      return true;
    }
    const label = appHost.labelOf(host);
    const base = { secure, port: portOf(host) ?? deps.port() };
    let served: Promise<void>;
    if (label !== undefined && targetHost.knows(label)) served = targetHost.serve(request, label, secure);
    else if (label !== undefined) served = appHost.serve(request, label, secure);
    else if (appPath.claims(req.url ?? "")) served = appPath.serve(request, base);
    else if (peersPath.claims(req.url ?? "")) served = peersPath.serve(request, base);
    else if (deps.session.claims(req.url ?? "")) served = deps.session.serve(request, { secure });
    else return false;
    served.catch((error: unknown) => {
      const problem = notFoundOut(error);
      if (problem === undefined) deps.log.error({ err: error }, "a door failed");
      answerProblem(request, problem ?? defect);
    });
    return true;
  }

  return {
    serve,
    open: (asked, principal, caller) => appHost.open(asked, principal, (caller && baseOf(caller)) ?? ownBase()),
    openTarget: ({ path, ...door }, principal, caller) =>
      targetHost.open(door, path, principal, (caller && baseOf(caller)) ?? ownBase()),
    pageOf: (namespace, name) => appHost.pageOf(namespace, name, ownBase()),
    close: unsubscribe,
  };
}

/** A target that names a host itself, more than one Host, or one that is none: two readers might take it for two. */
function judgeHost(req: ClientRequest, host: string): string | undefined {
  const count = req.rawHeaders.filter((text, i) => i % 2 === 0 && text.toLowerCase() === "host").length;
  const other = req.headers.host; // In HTTP/2 there may be one beside what is asked.
  if (!(req.url ?? "").startsWith("/") && req.url !== "*") return "The request's target must be a path.";
  if (count > 1 || (other !== undefined && other.toLowerCase() !== host.toLowerCase()))
    return "The request has more than one Host.";
  // Who reads it as part of a URL must not fail on it, as on "12790.0.1", which looks like an address and is none.
  const isHost = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$/i.test(host) && URL.canParse(`http://${host}/`);
  if (!isHost) return "The request's Host is none.";
  return undefined;
}

/** The bytes after an upgrade belong to the new protocol; with a body, two readers would begin it in two places. */
function judgeUpgrade({ kind, req }: DoorRequest): string | undefined {
  if (kind !== "upgrade") return undefined;
  const body = req.headers["transfer-encoding"] !== undefined || (req.headers["content-length"] ?? "0") !== "0";
  return body ? "A request to upgrade must have no body." : undefined;
}

interface DoorBase {
  readonly secure: boolean;
  readonly port: number;
}

/** Undefined when it tells of no port: whoever comes through the API server names no place that a browser can go to. */
function baseOf({ authority, secure }: CallersWay): DoorBase | undefined {
  const port = portOf(authority) ?? (secure ? 443 : undefined);
  return port === undefined ? undefined : { secure, port };
}

function portOf(host: string): number | undefined {
  const text = /:([0-9]{1,5})$/.exec(host)?.[1];
  return text === undefined ? undefined : Number(text);
}
