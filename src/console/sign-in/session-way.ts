/** The way in by the cookie of a session, for the console's own pages; and what keeps that cookie fresh. */
import type { Interceptor } from "@connectrpc/connect";
import type { Log } from "../../base/log.ts";
import type { Way } from "../auth/authenticator.ts";
import { type Presented, presentedByCall } from "../auth/presented.ts";
import { principalKey } from "../auth/principal.ts";
import type { Sessions } from "../auth/sessions.ts";
import { isOwnPage, judgeConnection } from "./connection.ts";
import { readCookies, sessionCookieName, setSessionCookie } from "./cookie.ts";

export interface SessionWayDeps {
  readonly sessions: Pick<Sessions, "authenticate" | "present" | "rotate">;
  /** Where people reach the console over TLS, as the operator says. */
  readonly consoleUrl: string | undefined;
  readonly log: Log;
}

/** Who comes with a token means that, whatever cookie comes along. */
export function createSessionWay({ sessions, consoleUrl }: SessionWayDeps): Way {
  return {
    async authenticate(presented) {
      if (presented.authorization !== undefined || !isOwnPage(presented, consoleUrl)) return undefined;
      for (const cookie of sessionCookies(presented, consoleUrl)) {
        const principal = sessions.authenticate(cookie);
        if (principal) return principal;
      }
      return undefined;
    },
    present: (credential) => sessions.present(credential),
  };
}

/** Gives who came by a cookie a fresh one with the answer, when it is time for that. */
export function refreshCookies({ sessions, consoleUrl, log }: SessionWayDeps): Interceptor {
  return (next) => async (request) => {
    const answer = await next(request);
    const principal = request.contextValues.get(principalKey);
    if (!principal || request.header.has("authorization") || !sessions.present(principal.credential)) return answer;
    const presented = presentedByCall(request);
    const connection = judgeConnection(presented, consoleUrl);
    if (!connection.ok || answer.header.has("set-cookie")) return answer;
    try {
      for (const cookie of sessionCookies(presented, consoleUrl)) {
        const fresh = await sessions.rotate(cookie, request.signal);
        if (fresh)
          answer.header.append("set-cookie", setSessionCookie(connection.origin, fresh.cookie, fresh.maxAgeMs));
      }
    } catch (error) {
      log.warn({ err: error }, "the cookie of a session could not be made anew; the next answer tries again");
    }
    return answer;
  };
}

/** What may be the cookie of a session: another host can toss some of its own at this one, which open nothing and hide nothing. */
export function sessionCookies(presented: Pick<Presented, "cookie" | "url">, consoleUrl: string | undefined): string[] {
  const connection = judgeConnection(presented, consoleUrl);
  return connection.ok ? readCookies(presented.cookie, sessionCookieName(connection.origin)) : [];
}
