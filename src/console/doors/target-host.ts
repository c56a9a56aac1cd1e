/**
 * The door for browsers to what is at a peer and is no app of this cluster: a Service there, an address that its policy lists. Each port
 * has a host of its own, which is known from when somebody opens it until this agent ends, as the sessions there are.
 */
import { createHash } from "node:crypto";
import { Door } from "../../gen/fairlead/console/v1/access_pb.ts";
import { authorityOf } from "../../tunnel/client-side.ts";
import { targetText } from "../../wire/target-text.ts";
import type { Principal } from "../auth/principal.ts";
import { bearerToken, isForConsole } from "../auth/token.ts";
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
import type { DoorSessions } from "./door-sessions.ts";
import { answerProblem, type DoorRequest } from "./exchange.ts";
import { badRequest, mayNot } from "./explain.ts";
import { foreignPage, targetNotIn, targetUsedUp } from "./explain-entry.ts";
import { type ForwardDeps, passOn } from "./pass-on.ts";
import { readRequestTarget } from "./request-target.ts";
import { mayUseCookie, saysNothing, shield } from "./same-host.ts";
import { type TargetDoor, targetSubject } from "./target-door.ts";

export interface TargetHostDeps extends ForwardDeps {
  sessions: DoorSessions;
  /** What follows the label, such as "localhost". */
  domain: string;
  /** Who the peer of that name is; another one may come by it. Undefined when there is none. */
  identityOf(peer: string): string | undefined;
}

export interface TargetHostDoor {
  /** Whether the label before the domain is of a host that was opened here. */
  knows(label: string): boolean;
  serve(request: DoorRequest, label: string, secure: boolean): Promise<void>;
  /** An address that opens it once. */
  open(door: TargetDoor, path: string, principal: Principal, base: BrowserBase): Opened;
}

/** How many hosts are known; beyond that the one goes that was opened first. */
const mostHosts = 1_000;
/** DNS allows no longer one. */
const longestLabel = 63;
/** Of 4 bits each. No app's label ends in so many behind a hyphen, except one that has a hash of its own in that place. */
const hashLength = 16;

interface Host {
  readonly door: TargetDoor;
  /** Who the peer was when it was opened. */
  readonly identity: string;
}

export function createTargetHostDoor(deps: TargetHostDeps): TargetHostDoor {
  const hosts = new Map<string, Host>();
  const hostOf = (label: string): string => `${label}.${deps.domain.toLowerCase()}`;

  async function serve(request: DoorRequest, label: string, secure: boolean): Promise<void> {
    const { req } = request;
    const target = readRequestTarget(req.url ?? "");
    if (!target.ok) return answerProblem(request, badRequest(target.detail));
    const known = hosts.get(label);
    const { door } = known ?? {};
    // Whoever has the peer's name now is nobody to whom these sessions were opened.
    if (!known || !door || deps.identityOf(door.peer) !== known.identity) {
      hosts.delete(label);
      return answerProblem(request, targetNotIn(door));
    }
    const at = { sessions: deps.sessions, binding: { host: hostOf(label), key: known.identity }, secure };
    if (isOwnPath(target)) return serveOwnPath(request, target, { ...at, usedUp: () => targetUsedUp(door) });
    const principal = principalOf(req, at);
    if (!principal) return answerProblem(request, targetNotIn(door));
    const authority = authorityOf(req);
    const asker = { ...browserRequest(request), host: authority };
    if (!mayUseCookie(asker)) return answerProblem(request, foreignPage());
    const refused = deps.guard.refuses(principal, Door.TARGET, { named: door.peer });
    if (refused !== undefined) return answerProblem(request, mayNot(refused));
    const leave = {
      destination: { peer: door.peer, target: door.target, person: principal.name },
      scheme: door.scheme,
      path: target.path + target.query,
      arrival: {
        scheme: secure ? "https" : "http",
        host: authority,
        clientAddress: req.socket.remoteAddress ?? "",
      } as const,
      stripAuthorization: isForConsole(bearerToken(req.headers.authorization) ?? ""),
      ...(saysNothing(asker) && { answerHeaders: shield }),
      admitted: { principal, door: Door.TARGET },
    };
    await passOn(deps, request, leave, targetSubject(door.peer, door.target));
  }

  return {
    knows: (label) => hosts.has(label),
    serve,
    open(door, path, principal, base) {
      const refused = deps.guard.refuses(principal, Door.TARGET, { named: door.peer });
      if (refused !== undefined) return { ok: false, problem: mayNot(refused) };
      const identity = deps.identityOf(door.peer);
      if (identity === undefined) return { ok: false, problem: targetNotIn(door) };
      const page = landing(path);
      if (page === undefined) {
        return { ok: false, problem: badRequest(`The path ${JSON.stringify(path)} is not one to land on.`) };
      }
      const label = labelOf(door, identity);
      const [first] = hosts.keys();
      if (!hosts.has(label) && hosts.size >= mostHosts && first !== undefined) hosts.delete(first);
      hosts.set(label, { door, identity });
      const host = hostOf(label);
      const code = deps.sessions.mintCode({ host, key: identity }, principal, page);
      const origin = originOf(host, base);
      return { ok: true, url: origin + pathOfCode(code), host: origin };
    },
  };
}

function labelOf({ peer, target, scheme }: TargetDoor, identity: string): string {
  const exact = JSON.stringify(["target", identity, scheme, targetText(target)]);
  const hash = createHash("sha256").update(exact).digest("hex").slice(0, hashLength);
  const start = `${target.name}-${target.port}-${peer}`.replaceAll(/[^a-z0-9-]/g, "-");
  return `${start.slice(0, longestLabel - hashLength - 1).replace(/-+$/, "")}-${hash}`;
}
