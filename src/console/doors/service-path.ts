/**
 * The door to Services of a peer's cluster that its policy names: `/peers/<peer>/services/<namespace>/<service>/<port>/…`. What is
 * spoken there is HTTP, unless the Service's name is written as `h2c:<service>` or `https:<service>`.
 */
import type { HttpScheme } from "../../tunnel/app-port.ts";
import { authorityOf } from "../../tunnel/client-side.ts";
import { isNameOf, isNamespace, parsePort, type ServiceTarget } from "../../wire/target-text.ts";
import { mayDial } from "../auth/may-dial.ts";
import type { Problem } from "../problem.ts";
import { answerProblem } from "./exchange.ts";
import type { Subject } from "./explain.ts";
import { type ForwardDeps, passOn, pathAnswerHeaders } from "./pass-on.ts";
import type { PeerDoor } from "./peers-path.ts";
import { climbsOut } from "./request-target.ts";

export function createServicePathDoor(deps: ForwardDeps): PeerDoor {
  return {
    async serve(request, { peer, rest, query, principal, secure, prefix }) {
      const read = readServicePath(rest);
      if (!read) return answerProblem(request, notAServicePath());
      const { target, scheme, own, path } = read;
      const refused = mayDial(principal, peer, target);
      if (refused !== undefined) return answerProblem(request, notAllowed(refused));
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
      await passOn(deps, request, leave, serviceSubject(peer, target));
    },
  };
}

interface ServicePath {
  readonly target: ServiceTarget;
  readonly scheme: HttpScheme;
  /** What of the path is the door's, from the slash on. */
  readonly own: string;
  /** What the Service is asked for; empty, or from its slash on. */
  readonly path: string;
}

function readServicePath(rest: string): ServicePath | undefined {
  const parts = /^(\/([^/%]+)\/(?:(https?|h2c):)?([^/%:]+)\/([^/%]+))(\/.*)?$/.exec(rest);
  const [, own = "", namespace = "", scheme, name = "", portText = "", path = ""] = parts ?? [];
  const port = parsePort(portText);
  if (!isNamespace(namespace) || !isNameOf("service", name) || port === undefined || climbsOut(path)) return undefined;
  const known = scheme === "https" || scheme === "h2c" ? scheme : "http";
  return { target: { kind: "service", namespace, name, port }, scheme: known, own, path };
}

function serviceSubject(peer: string, { namespace, name, port }: ServiceTarget): Subject {
  return {
    noun: "Service",
    look: `Whoever runs ${peer} can say more of its Service ${namespace}/${name} and port ${port}.`,
  };
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

function notAllowed(detail: string): Problem {
  return { status: 403, code: "forbidden", title: "Refused", detail };
}
