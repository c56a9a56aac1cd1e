/**
 * The Kubernetes API of a peer: `/peers/<peer>/kubernetes/…`, for kubectl and all that speaks to an API server. Who asks is told the
 * peer's agent beside each request; what they may do there, that cluster decides. Failures are said as an API server says them.
 */
import { Door } from "../../gen/fairlead/console/v1/access_pb.ts";
import { authorityOf } from "../../tunnel/client-side.ts";
import { asHeader, personHeader } from "../../tunnel/kubernetes-headers.ts";
import { badRequest, forbidden, renderStatus, type StatusAnswer, unavailable } from "../../tunnel/kubernetes-status.ts";
import type { Passage } from "../../tunnel/passage.ts";
import { type TunnelError, toTunnelError } from "../../tunnel/tunnel-error.ts";
import { forwardUpgrade } from "../../tunnel/upgrade.ts";
import type { DoorTokens } from "../auth/door-token.ts";
import type { Problem } from "../problem.ts";
import { answer, type DoorRequest } from "./exchange.ts";
import { consoleCookies, type ForwardDeps, pathAnswerHeaders } from "./pass-on.ts";
import type { PeerDoor, PeerRequest } from "./peers-path.ts";

export interface KubernetesPathDeps extends ForwardDeps {
  readonly tokens: Pick<DoorTokens, "authenticate">;
  /** Told of each request that is passed on, or could not be. `path` is without its query. */
  note(asked: {
    peer: string;
    person: string;
    method: string;
    path: string;
    verdict: "allowed" | "denied" | "failed";
    message?: string;
  }): void;
}

export function createKubernetesPath(deps: KubernetesPathDeps): PeerDoor {
  return {
    door: Door.KUBERNETES,
    authenticate: (authorization, peer) => deps.tokens.authenticate(authorization, peer),
    refuse: (request, problem) => refuse(request, inKubernetesWords(problem), authenticateHeader(problem)),
    async serve(request, asked) {
      const { req } = request;
      const { peer, rest, query, principal, secure, prefix } = asked;
      const clientAddress = req.socket.remoteAddress ?? "";
      if (!secure && !isLoopback(clientAddress)) return refuse(request, overClearText);
      const path = rest || "/";
      const note = { peer, person: principal.name, method: req.method ?? "", path };
      const passage: Passage = {
        destination: { peer, target: { kind: "kubernetes" }, person: principal.name },
        scheme: "http",
        path: path + query,
        arrival: { scheme: secure ? "https" : "http", host: authorityOf(req), clientAddress, prefix },
        consoleCookies,
        stripAuthorization: true,
        requestHeaders: [personHeader, asHeader(principal.name)],
        answerHeaders: pathAnswerHeaders,
      };
      const outgoing = request.kind === "http" ? request.res : request.socket;
      const letGo = deps.guard.hold(principal, Door.KUBERNETES, peer, () => outgoing.destroy());
      try {
        deps.note({ ...note, verdict: "allowed" });
        if (request.kind === "http") await deps.http.forward(request.req, request.res, passage);
        else await forwardUpgrade(deps.http, request, passage);
      } catch (error) {
        const failure = toTunnelError(error);
        deps.log.debug({ peer, failure: failure.failure, err: failure }, "Kubernetes API not reached");
        const verdict = failure.failure === "denied" ? "denied" : "failed";
        deps.note({ ...note, verdict, message: failure.message });
        refuse(request, explain(failure, asked, deps.presence(peer)?.since));
      } finally {
        letGo();
      }
    },
  };
}

const overClearText = badRequest(
  "The Kubernetes API of a peer is served over TLS only, since tokens are shown here: use https:// with the same host and port. `fairlead kubeconfig PEER` writes what kubectl needs.",
);

function refuse(request: DoorRequest, status: StatusAnswer, more: readonly [string, string][] = []): void {
  const [, asked = ""] = /^\/peers\/[^/]+\/[^/]+(.*)$/s.exec(request.req.url ?? "") ?? [];
  const { headers, body } = renderStatus(status, asked);
  answer(request, status.code, [...headers, ...more], body);
}

function inKubernetesWords({ status, detail, hint }: Problem): StatusAnswer {
  if (status === 403) return forbidden(detail);
  const reason = status === 401 ? "Unauthorized" : "NotFound";
  return { code: status, reason, message: [detail, hint].filter(Boolean).join(" ") };
}

function authenticateHeader({ authenticate }: Problem): [string, string][] {
  return authenticate === undefined ? [] : [["WWW-Authenticate", authenticate]];
}

/** Without Retry-After: kubectl would wait in silence for what a person has to change. */
function explain(error: TunnelError, { peer }: PeerRequest, since: string | undefined): StatusAnswer {
  const said = error.message;
  switch (error.failure) {
    case "denied":
      return forbidden(`peer ${peer} refuses: ${said}`);
    case "not-found":
      return { code: 404, reason: "NotFound", message: `peer ${peer}: ${said}` };
    case "limited":
      return { code: 429, reason: "TooManyRequests", message: said, retryAfterSeconds: 1 };
    case "overloaded":
      return { code: 429, reason: "TooManyRequests", message: `peer ${peer}: ${said}`, retryAfterSeconds: 1 };
    case "timeout":
      return { code: 504, reason: "Timeout", message: `peer ${peer} did not answer in time: ${said}` };
    case "away": {
      const when = since === undefined ? "" : ` since ${since}`;
      return unavailable(`peer ${peer} is away${when}: ${said} \`fairlead peer get ${peer}\` says more.`);
    }
    default:
      return unavailable(`peer ${peer}: ${said}`);
  }
}

function isLoopback(address: string): boolean {
  return /^(127\.|::1$|::ffff:127\.)/.test(address);
}
