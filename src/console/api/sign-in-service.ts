/** `SignInService`: a session for who knows a password, and its end. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { AuditEntry } from "../../audit/entry.ts";
import type { Clock } from "../../base/clock.ts";
import { SecretText } from "../../base/secret-text.ts";
import { ChangePasswordRequestSchema, type SignInService } from "../../gen/fairlead/console/v1/sign_in_service_pb.ts";
import { callerAddressKey } from "../auth/caller-address.ts";
import { presentedByCall } from "../auth/presented.ts";
import { principalKey } from "../auth/principal.ts";
import type { Sessions } from "../auth/sessions.ts";
import { isOwnPage, judgeConnection } from "../sign-in/connection.ts";
import { markCookieName, readCookies, setMarkCookie, setSessionCookie } from "../sign-in/cookie.ts";
import { sessionCookies } from "../sign-in/session-way.ts";
import { tryLater } from "../try-later.ts";
import { brokenRule } from "./broken-rule.ts";

/** Somebody with a password here. */
export interface PasswordUser {
  readonly name: string;
  /** Another one when what was signed in before is not to count any more. */
  readonly stamp: string;
  readonly mustChangePassword: boolean;
}

/** "wrong" says no more: there is no such user, they are disabled, or it is another password. "wait": there were too many mistakes. */
export type PasswordVerdict =
  | {
      readonly ok: true;
      readonly user: PasswordUser;
      /** For this browser to keep and to show the next time. */
      readonly mark: SecretText;
    }
  | { readonly ok: false; readonly why: "wrong" }
  | { readonly ok: false; readonly why: "wait"; readonly seconds: number };

/** Where somebody tries. */
interface Whence {
  readonly name: string;
  readonly address: string;
  readonly mark?: string | undefined;
}

/** Of those who have a password. */
export interface Passwords {
  verify(attempt: Whence & { readonly password: SecretText }, signal: AbortSignal): Promise<PasswordVerdict>;
  changePassword(
    change: Whence & { readonly current: SecretText; readonly next: SecretText },
    signal: AbortSignal,
  ): Promise<PasswordVerdict | { readonly ok: false; readonly why: "unfit"; readonly message: string }>;
}

export interface SignInServiceDeps {
  /** Absent where nobody has a password. */
  readonly users?: Passwords | undefined;
  readonly sessions: Pick<Sessions, "begin" | "authenticate" | "present" | "revoke">;
  /** The provider at which people can sign in instead, and where that begins. */
  readonly provider: { readonly name: string; readonly path: string } | undefined;
  /** Where people reach the console over TLS, as the operator says. */
  readonly consoleUrl: string | undefined;
  readonly audit: { record(entry: AuditEntry): unknown };
  readonly clock: Clock;
}

export function createSignInService(deps: SignInServiceDeps): ServiceImpl<typeof SignInService> {
  const { users, sessions, provider, consoleUrl, audit, clock } = deps;

  /** The console's origin as the browser sees it. Throws for a connection over which nobody signs in. */
  function originOf(context: HandlerContext): string {
    const connection = judgeConnection(cameBy(context), consoleUrl);
    if (connection.ok) return connection.origin;
    throw new ConnectError(`${connection.why} Open ${connection.better} instead.`, Code.FailedPrecondition);
  }

  async function begin({ user, mark }: Right, origin: string, context: HandlerContext): Promise<string> {
    const { name, stamp } = user;
    const from = { address: addressOf(context), userAgent: context.requestHeader.get("user-agent") ?? "" };
    const { cookie, maxAgeMs } = await sessions.begin({ kind: "user", name, stamp }, from, context.signal);
    context.responseHeader.append("set-cookie", setSessionCookie(origin, cookie, maxAgeMs));
    context.responseHeader.append("set-cookie", setMarkCookie(origin, mark.reveal()));
    return new Date(clock.now() + maxAgeMs).toISOString();
  }

  /** Where an attempt comes from. */
  function whence(context: HandlerContext): { address: string; mark: string | undefined } {
    const { cookie, url } = cameBy(context);
    const connection = judgeConnection({ url }, consoleUrl);
    const [mark] = connection.ok ? readCookies(cookie, markCookieName(connection.origin)) : [];
    return { address: addressOf(context), mark };
  }

  return {
    getSignInOptions(_request, context) {
      const connection = judgeConnection(cameBy(context), consoleUrl);
      return {
        password: connection.ok && users !== undefined,
        ...(provider && connection.ok && { provider: provider.name, providerPath: provider.path }),
        ...(!connection.ok && { refused: connection.why, betterUrl: connection.better }),
      };
    },

    async signIn({ name, password }, context) {
      const origin = originOf(context);
      if (!users) throw noPasswords();
      if (!isOwnPage(cameBy(context), consoleUrl)) {
        const message = `People sign in on the console's own page, at ${origin}; programs come with a token.`;
        throw new ConnectError(message, Code.FailedPrecondition);
      }
      const asked = { name, password: new SecretText(password), ...whence(context) };
      const right = rightOf(await users.verify(asked, context.signal), "The name or the password is not right.");
      const { user } = right;
      for (const cookie of sessionCookies(cameBy(context), consoleUrl)) {
        const before = sessions.authenticate(cookie);
        if (before) await sessions.revoke(idOf(before.credential), context.signal);
      }
      const expiresAt = await begin(right, origin, context);
      audit.record({ action: "session.begin", actor: { person: user.name }, target: user.name, verdict: "done" });
      return { name: user.name, mustChangePassword: user.mustChangePassword, expiresAt };
    },

    async signOut(_request, context) {
      const principal = context.values.get(principalKey);
      if (!principal || !sessions.present(principal.credential)) return {};
      await sessions.revoke(idOf(principal.credential), context.signal);
      const connection = judgeConnection(cameBy(context), consoleUrl);
      if (connection.ok) context.responseHeader.append("set-cookie", setSessionCookie(connection.origin, "", 0));
      const { name } = principal;
      audit.record({ action: "session.end", actor: { person: name }, target: name, verdict: "done" });
      return {};
    },

    async changePassword({ current, next }, context) {
      const principal = context.values.get(principalKey);
      if (!users || principal?.kind !== "user") throw noPasswords();
      const bySession = sessions.present(principal.credential) !== undefined;
      const { name } = principal;
      const passwords = { current: new SecretText(current), next: new SecretText(next) };
      const verdict = await users.changePassword({ name, ...passwords, ...whence(context) }, context.signal);
      if (!verdict.ok && verdict.why === "unfit") {
        const { message } = verdict;
        throw brokenRule(ChangePasswordRequestSchema, { path: "next", rule: "password.fit", message });
      }
      const right = rightOf(verdict, "The current password is not right.");
      audit.record({ action: "user.change-password", actor: { person: name }, target: name, verdict: "done" });
      // What they had signed in by does not count any more.
      return bySession ? { expiresAt: await begin(right, originOf(context), context) } : {};
    },
  };
}

interface Right {
  readonly user: PasswordUser;
  readonly mark: SecretText;
}

function noPasswords(): ConnectError {
  return new ConnectError("Only users of this agent have a password here.", Code.FailedPrecondition);
}

/** Throws for who is not known. */
function rightOf(verdict: PasswordVerdict, wrong: string): Right {
  if (verdict.ok) return verdict;
  if (verdict.why === "wrong") throw new ConnectError(wrong, Code.Unauthenticated);
  const { seconds } = verdict;
  throw tryLater(`Too many have been tried. Try again in ${Math.ceil(seconds)} s.`, { seconds });
}

function cameBy({ requestMethod, url, requestHeader: header }: HandlerContext) {
  return presentedByCall({ requestMethod, url, header });
}

function addressOf({ values }: HandlerContext): string {
  return values.get(callerAddressKey);
}

/** Of a session, from its credential. */
function idOf(credential: string): string {
  return credential.slice(credential.indexOf(":") + 1);
}
