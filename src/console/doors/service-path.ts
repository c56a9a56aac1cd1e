/**
 * The door to Services of a peer's cluster that its policy names: `/peers/<peer>/services/<namespace>/<service>/<port>/…`. What is
 * spoken there is HTTP, unless the Service's name is written as `h2c:<service>` or `https:<service>`.
 */
import type { HttpScheme } from "../../tunnel/app-port.ts";
import { authorityOf } from "../../tunnel/client-side.ts";
import { isNameOf, isNamespace, parsePort } from "../../wire/target-text.ts";
import { mayDial } from "../auth/may-dial.ts";
import type { Problem } from "../problem.ts";
import { answerProblem, type DoorRequest } from "./exchange.ts";
import { mayNot } from "./explain.ts";
import { type ForwardDeps, passOn, pathAnswerHeaders } from "./pass-on.ts";
import type { PeerDoor, PeerRequest } from "./peers-path.ts";
import { climbsOut } from "./request-target.ts";
import { type HttpTarget, targetSubject } from "./target-door.ts";

export function createServicePathDoor(deps: ForwardDeps): PeerDoor {
  return {
    async serve(request, asked) {
      const read = readServicePath(asked.rest);
      if (!read) return answerProblem(request, notAServicePath());
      await passOnToTarget(deps, request, asked, read);
    },
  };
}

export interface TargetPath {
  readonly target: HttpTarget;
  readonly scheme: HttpScheme;
  /** What of the path is the door's, from the slash on. */
  readonly own: string;
  /** What is asked for there; empty, or from its slash on. */
  readonly path: string;
}

/** Passes a request on that has come by the path of something at a peer. */
export async function passOnToTarget(
  deps: ForwardDeps,
  request: DoorRequest,
  { peer, query, principal, secure, prefix }: PeerRequest,
  { target, scheme, own, path }: TargetPath,
): Promise<void> {
  const refused = mayDial(principal, peer, target);
  if (refused !== undefined) return answerProblem(request, mayNot(refused));
  const arrival = {
    scheme: secure ? "https" : "http",
    host: authorityOf(request.req),
    clientAddress: request.req.socket.remoteAddress ?? "",
    prefix: prefix + own,
  } as const;
  const leave = {
    destination: { peer, target, person: principal.name },
    scheme,
    path: (path || "/") + query,
    arrival,
    stripAuthorization: true,
    answerHeaders: pathAnswerHeaders,
  };
  await passOn(deps, request, leave, targetSubject(peer, target));
}

function readServicePath(rest: string): TargetPath | undefined {
  const parts = /^(\/([^/%]+)\/(?:(https?|h2c):)?([^/%:]+)\/([^/%]+))(\/.*)?$/.exec(rest);
  const [, own = "", namespace = "", scheme, name = "", portText = "", path = ""] = parts ?? [];
  const port = parsePort(portText);
  if (!isNamespace(namespace) || !isNameOf("service", name) || port === undefined || climbsOut(path)) return undefined;
  const known = scheme === "https" || scheme === "h2c" ? scheme : "http";
  return { target: { kind: "service", namespace, name, port }, scheme: known, own, path };
}

function notAServicePath(): Problem {
  return {
    status: 404,
    code: "not-found",
    title: "Nothing here",
    detail:
      "A Service's path is /peers/<peer>/services/<namespace>/<service>/<port>/…, without dot segments that lead out of it.",
  };
}
