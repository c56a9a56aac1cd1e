/**
 * The doors to what a peer's policy names beside apps: `/peers/<peer>/services/<namespace>/<service>/<port>/…` and
 * `/peers/<peer>/addresses/<name>/<port>/…`. What is spoken there is HTTP, unless the name is written as `h2c:<name>` or `https:<name>`.
 */
import { Door } from "../../gen/fairlead/console/v1/access_pb.ts";
import type { HttpScheme } from "../../tunnel/app-port.ts";
import { authorityOf } from "../../tunnel/client-side.ts";
import { isNameOf, isNamespace, parsePort } from "../../wire/target-text.ts";
import type { Problem } from "../problem.ts";
import { answerProblem } from "./exchange.ts";
import { type ForwardDeps, passOn, pathAnswerHeaders } from "./pass-on.ts";
import type { PeerDoor } from "./peers-path.ts";
import { climbsOut } from "./request-target.ts";
import { type HttpTarget, targetSubject } from "./target-door.ts";

interface TargetPath {
  readonly target: HttpTarget;
  readonly scheme: HttpScheme;
  /** What of the path is the door's, from the slash on. */
  readonly own: string;
  /** What is asked for there; empty, or from its slash on. */
  readonly path: string;
}

export function createTargetPathDoor(deps: ForwardDeps, kind: HttpTarget["kind"]): PeerDoor {
  return {
    door: Door.TARGET,
    async serve(request, { peer, rest, query, principal, secure, prefix }) {
      const read = readTargetPath(kind, rest);
      if (!read) return answerProblem(request, noTargetPath(kind));
      const { target, scheme, own, path } = read;
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
        admitted: { principal, door: Door.TARGET },
      };
      await passOn(deps, request, leave, targetSubject(peer, target));
    },
  };
}

function readTargetPath(kind: HttpTarget["kind"], rest: string): TargetPath | undefined {
  const [, before, afterNamespace = ""] = /^(\/[^/%]+)(\/.*)$/.exec(rest) ?? [];
  const [inNamespace, named] = kind === "service" ? [before ?? "", afterNamespace] : ["", rest];
  const parts = /^(\/(?:(https?|h2c):)?([^/%:]+)\/([^/%]+))(\/.*)?$/.exec(named);
  const [, own = "", written, name = "", portText = "", path = ""] = parts ?? [];
  const target = readTarget(kind, inNamespace.slice(1), name, portText);
  if (!target || climbsOut(path)) return undefined;
  const scheme = written === "https" || written === "h2c" ? written : "http";
  return { target, scheme, own: inNamespace + own, path };
}

function readTarget(
  kind: HttpTarget["kind"],
  namespace: string,
  name: string,
  portText: string,
): HttpTarget | undefined {
  const port = parsePort(portText);
  if (kind === "address") return isNamespace(name) && typeof port === "number" ? { kind, name, port } : undefined;
  if (!isNamespace(namespace) || !isNameOf("service", name) || port === undefined) return undefined;
  return { kind, namespace, name, port };
}

function noTargetPath(kind: HttpTarget["kind"]): Problem {
  const detail =
    kind === "service"
      ? "A Service's path is /peers/<peer>/services/<namespace>/<service>/<port>/…, without dot segments that lead out of it."
      : "An address's path is /peers/<peer>/addresses/<name>/<port>/…, with its port's number and without dot segments that lead out of it.";
  return { status: 404, code: "not-found", title: "Nothing here", detail };
}
