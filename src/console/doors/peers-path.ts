/**
 * The doors to a peer: `/peers/<peer>/<word>/…` on the console's own host, for programs, with a bearer token and never with a
 * cookie. What the word stands for is a door of its own; here is decided who asks, and of which peer.
 */
import type { Door } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { DoorGuard } from "../access/door-guard.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { presentedBy } from "../auth/presented.ts";
import type { Principal } from "../auth/principal.ts";
import type { Problem } from "../problem.ts";
import { answerProblem, type DoorRequest, goneSignal } from "./exchange.ts";
import { badRequest, mayNot } from "./explain.ts";
import { unauthenticated } from "./explain-entry.ts";
import { climbsOut, isOwnPage, readRequestTarget } from "./request-target.ts";

/** A request for something at a peer, by somebody who may. */
export interface PeerRequest {
  /** A peer that exists. */
  readonly peer: string;
  /** The path behind the word as the client wrote it: empty, or from its slash on. No reading of it leads out of the door. */
  readonly rest: string;
  /** With its question mark; empty without one. */
  readonly query: string;
  readonly principal: Principal;
  /** Whether the client came by TLS. */
  readonly secure: boolean;
  /** `/peers/<peer>/<word>`. */
  readonly prefix: string;
}

/** What stands behind one word of `/peers/<peer>/<word>/…`. */
export interface PeerDoor {
  /** What is needed of who comes. */
  readonly door: Door;
  /** Who presents these credentials, where it knows others than the console does. */
  authenticate?(authorization: string | undefined, peer: string): Principal | undefined;
  /** Says what kept a request from being served, where its clients understand another language than the console's. */
  refuse?(request: DoorRequest, problem: Problem): void;
  serve(request: DoorRequest, asked: PeerRequest): Promise<void>;
}

export interface PeersPathDeps {
  /** By their words. */
  doors: Readonly<Record<string, PeerDoor>>;
  authenticator: Authenticator;
  guard: Pick<DoorGuard, "refuses">;
  isPeer(name: string): boolean;
}

export interface PeersPath {
  /** Whether this request's path is one of these doors', however it is written. */
  claims(url: string): boolean;
  serve(request: DoorRequest, base: { secure: boolean }): Promise<void>;
}

export function createPeersPath(deps: PeersPathDeps): PeersPath {
  const doors = new Map(Object.entries(deps.doors));

  function claims(url: string): boolean {
    const target = readRequestTarget(url);
    if (!target.ok || isOwnPage(target.path, "/peers", 1)) return false;
    return target.normal === "/peers" || target.normal.startsWith("/peers/");
  }

  async function serve(request: DoorRequest, { secure }: { secure: boolean }): Promise<void> {
    const target = readRequestTarget(request.req.url ?? "");
    if (!target.ok) return answerProblem(request, badRequest(target.detail));
    const parts = /^\/peers\/([^/%]+)\/([^/%]+)(\/.*)?$/.exec(target.path);
    const [, peer = "", word = "", rest = ""] = parts ?? [];
    const presented = presentedBy(request.req, { secure, upgrade: request.kind === "upgrade" });
    const { authorization } = presented;
    const door = doors.get(word);
    const principal =
      door?.authenticate?.(authorization, peer) ??
      (await deps.authenticator.authenticate({ ...presented, cookie: undefined }, goneSignal(request)));
    const refuse = (problem: Problem): void =>
      door?.refuse ? door.refuse(request, problem) : answerProblem(request, problem);
    // Nobody is known yet, so nothing is told about which peers there are.
    if (!principal) return refuse(unauthenticated(presented, deps.authenticator));
    if (!door || climbsOut(rest)) return refuse(noSuchDoor([...doors.keys()]));
    const refused = deps.guard.refuses(principal, door.door, { named: peer });
    if (refused !== undefined) return refuse(mayNot(refused));
    if (!deps.isPeer(peer)) return refuse(noSuchPeer(peer));
    const prefix = `/peers/${peer}/${word}`;
    await door.serve(request, { peer, rest, query: target.query, principal, secure, prefix });
  }

  return { claims, serve };
}

function noSuchDoor(words: readonly string[]): Problem {
  const paths = words.map((word) => `/peers/<peer>/${word}/…`).join(", ");
  return {
    status: 404,
    code: "not-found",
    title: "Nothing here",
    detail: `What can be reached at a peer: ${paths}, without dot segments that lead out of it.`,
  };
}

function noSuchPeer(peer: string): Problem {
  return {
    status: 404,
    code: "no-such-peer",
    title: "No such peer",
    detail: `There is no peer ${peer}.`,
    hint: "`fairlead peer list` shows the peers that there are.",
  };
}
