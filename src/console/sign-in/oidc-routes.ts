/** The two pages of a sign-in at a provider: the way there, and the way back. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import type { Log } from "../../base/log.ts";
import { createNetworkLimits } from "../../base/network-limits.ts";
import { type Presented, presentedBy } from "../auth/presented.ts";
import type { SessionOwner } from "../auth/session-record.ts";
import type { Sessions } from "../auth/sessions.ts";
import { landing } from "../doors/browser-entry.ts";
import type { OidcPerson } from "../oidc/claims.ts";
import { OidcError } from "../oidc/error.ts";
import { createPendingCookies, pendingMs } from "../oidc/pending-cookie.ts";
import type { Oidc } from "../oidc/provider.ts";
import { type Problem, renderProblem } from "../problem.ts";
import { judgeConnection } from "./connection.ts";
import { pendingCookieName, readCookies, setPendingCookie, setSessionCookie } from "./cookie.ts";

export interface OidcRoutesDeps {
  readonly oidc: Oidc;
  /** Who that is here; undefined for one to whom no rule gives anything. */
  ownerOf(person: OidcPerson): SessionOwner | undefined;
  readonly sessions: Pick<Sessions, "begin">;
  readonly consoleUrl: string | undefined;
  onSignIn(verdict: OidcVerdict): void;
  readonly clock: Clock;
  readonly log: Log;
}

/** For the audit. */
export interface OidcVerdict {
  /** Empty when it is not known. */
  readonly person: string;
  readonly address: string;
  /** Undefined for who is signed in. */
  readonly refused?: string;
}

export const oidcPath = "/sign-in/oidc";
const callbackPath = `${oidcPath}/callback`;

/** What can be asked of the provider from one network, and from all. */
const strangers = { each: { burst: 50, perSecond: 10 }, all: { burst: 200, perSecond: 50 } };

/** A query is no longer than a code, a state and the name of an issuer need. */
const longestQuery = 8_192;

export function registerOidcRoutes(app: FastifyInstance, deps: OidcRoutesDeps): void {
  const { oidc, sessions, consoleUrl, log } = deps;
  const cookies = createPendingCookies(deps.clock);
  const limits = createNetworkLimits({ clock: deps.clock, ...strangers });

  /** Undefined when it has been answered. */
  function originFor(request: FastifyRequest, reply: FastifyReply): string | undefined {
    const connection = judgeConnection(cameBy(request), consoleUrl);
    if (connection.ok) return connection.origin;
    void answer(request, reply, notHere(connection.why, connection.better + oidcPath));
    return undefined;
  }

  app.get(oidcPath, async (request, reply) => {
    const origin = originFor(request, reply);
    if (origin === undefined) return reply;
    try {
      const { url, pending } = await oidc.begin(origin + callbackPath);
      const to = landing(queryOf(request).get("to") ?? "/") ?? "/";
      const sealed = cookies.seal({ ...pending, landing: to.length > 1_000 ? "/" : to });
      return await reply.header("Set-Cookie", setPendingCookie(origin, sealed, pendingMs)).redirect(url, 303);
    } catch (error) {
      return explain(request, reply, error);
    }
  });

  app.get(callbackPath, async (request, reply) => {
    const origin = originFor(request, reply);
    if (origin === undefined) return reply;
    reply.header("Set-Cookie", setPendingCookie(origin, "", 0));
    const query = queryOf(request);
    const brought = readCookies(request.headers.cookie, pendingCookieName(origin));
    const pending = brought.map((one) => cookies.open(one)).find((one) => one?.state === query.get("state"));
    if (!pending || pending.redirectUri !== origin + callbackPath) return answer(request, reply, tooLate);
    const { ip: address } = request;
    if (!limits.take(address)) return answer(request, reply, tooMany);
    try {
      const person = await oidc.finish(query, pending);
      const owner = deps.ownerOf(person);
      if (!owner) {
        deps.onSignIn({ person: person.name, address, refused: "no-role" });
        return await answer(request, reply, noRole(person.name));
      }
      const from = { address, userAgent: request.headers["user-agent"] ?? "" };
      const { cookie, maxAgeMs } = await sessions.begin(owner, from, AbortSignal.timeout(storeMs));
      deps.onSignIn({ person: person.name, address });
      reply.header("Set-Cookie", setSessionCookie(origin, cookie, maxAgeMs));
      return await reply.redirect(pending.landing, 303);
    } catch (error) {
      if (error instanceof OidcError) deps.onSignIn({ person: "", address, refused: error.why });
      return explain(request, reply, error);
    }
  });

  function explain(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
    log.warn({ err: error }, "a sign-in at the provider has failed");
    if (!(error instanceof OidcError)) return answer(request, reply, notKept(errorText(error)));
    return answer(request, reply, problemOf(error));
  }
}

/** For the store to take a session, in milliseconds. */
const storeMs = 10_000;

function cameBy({ raw }: FastifyRequest): Presented {
  const secure = "encrypted" in raw.socket && raw.socket.encrypted === true;
  return presentedBy(raw, { secure, upgrade: false });
}

function queryOf({ raw }: FastifyRequest): URLSearchParams {
  const [, query = ""] = /\?(.*)$/s.exec(raw.url ?? "") ?? [];
  return new URLSearchParams(query.length > longestQuery ? "" : query);
}

function answer(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { status, headers, body } = renderProblem(problem, request.headers.accept);
  return reply.code(status).headers(Object.fromEntries(headers)).send(body);
}

const again = `Begin again at \`${oidcPath}\`.`;

const tooLate: Problem = {
  status: 400,
  code: "sign-in-expired",
  title: "This sign-in is not under way any more",
  detail: "It began in another browser, more than ten minutes ago, or before this agent started.",
  hint: again,
};

const tooMany: Problem = {
  status: 429,
  code: "too-many-requests",
  title: "Too many at once",
  detail: "More people sign in than the provider should be asked about in a second.",
  retryAfter: 1,
};

function notHere(why: string, better: string): Problem {
  const hint = `Open \`${better}\`.`;
  return { status: 403, code: "needs-tls", title: "Not over this connection", detail: why, hint };
}

function noRole(name: string): Problem {
  return {
    status: 403,
    code: "no-role",
    title: "You may do nothing here",
    detail: `The provider knows you as ${name}, and nobody has given you or one of your groups a role.`,
    hint: "Whoever runs this agent can: `console.oidc.roles` in its configuration.",
  };
}

function notKept(why: string): Problem {
  return {
    status: 503,
    code: "not-kept",
    title: "Not signed in",
    detail: `The session could not be kept: ${why}`,
    hint: again,
  };
}

function problemOf({ why, message }: OidcError): Problem {
  if (why === "provider-down") {
    const hint = "Once it answers again, begin anew. A user of the agent's own can sign in meanwhile.";
    return { status: 502, code: why, title: "The provider does not answer", detail: message, hint, retryAfter: 5 };
  }
  return { status: 403, code: why, title: "Not signed in", detail: message, hint: again };
}
