/** How a browser gets in at a host of its own, and stays in: the same for all hosts of doors. */
import type { ClientRequest } from "../../tunnel/client-side.ts";
import { cookieValues } from "../../tunnel/headers.ts";
import type { Principal } from "../auth/principal.ts";
import type { Problem } from "../problem.ts";
import type { DoorBinding, DoorSessions } from "./door-sessions.ts";
import { answer, answerProblem, type DoorRequest } from "./exchange.ts";
import { nothingHere } from "./explain-entry.ts";
import { sessionCookies } from "./pass-on.ts";
import type { RequestTarget } from "./request-target.ts";

/** Paths below it are the door's own, on every host of one. */
const ownPaths = "/.fairlead";
const sessionPath = `${ownPaths}/session`;

/** How a browser reaches this server. */
export interface BrowserBase {
  readonly secure: boolean;
  readonly port: number;
}

export type Opened =
  | { readonly ok: true; readonly url: string; readonly host: string }
  | { readonly ok: false; readonly problem: Problem };

type Known = RequestTarget & { readonly ok: true };

export function isOwnPath({ normal }: Known): boolean {
  return normal === ownPaths || normal.startsWith(`${ownPaths}/`);
}

/** Answers a request for one of the door's own paths: redeems the code of an address that was opened. */
export function serveOwnPath(
  request: DoorRequest,
  target: Known,
  at: { readonly sessions: DoorSessions; readonly binding: DoorBinding; readonly secure: boolean; usedUp(): Problem },
): void {
  // Not for HEAD, and not for an upgrade: neither would keep the cookie for which the code is used up.
  if (target.path !== sessionPath || request.req.method !== "GET" || request.kind !== "http") {
    answerProblem(request, nothingHere());
    return;
  }
  const { sessions, binding, secure } = at;
  const redeemed = sessions.redeemCode(new URLSearchParams(target.query).get("code") ?? "", binding);
  if (!redeemed) {
    answerProblem(request, at.usedUp());
    return;
  }
  const name = secure ? sessionCookies.secure : sessionCookies.plain;
  answer(request, 303, [
    ["Location", redeemed.path],
    ["Set-Cookie", `${name}=${redeemed.session}; Path=/; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`],
    ["Cache-Control", "no-store"],
    ["Referrer-Policy", "no-referrer"],
  ]);
}

/** Where a code is redeemed. */
export function pathOfCode(code: string): string {
  return `${sessionPath}?code=${code}`;
}

/** Whose session at this door the request's cookies are. */
export function principalOf(
  req: ClientRequest,
  { sessions, binding, secure }: { sessions: DoorSessions; binding: DoorBinding; secure: boolean },
): Principal | undefined {
  const name = secure ? sessionCookies.secure : sessionCookies.plain;
  // Another host may have tossed cookies of the same name at this one: they hide nothing, and open nothing.
  for (const value of cookieValues(req.headers.cookie, name)) {
    const principal = sessions.check(value, binding);
    if (principal) return principal;
  }
  return undefined;
}

/** The address of a host, as a browser writes it. */
export function originOf(host: string, { secure, port }: BrowserBase): string {
  const written = port === (secure ? 443 : 80) ? "" : `:${port}`;
  return `${secure ? "https" : "http"}://${host}${written}`;
}

/** The path as a redirect may name it; undefined for one that would lead to another host. */
export function landing(path: string): string | undefined {
  const base = "http://app.invalid";
  const url = URL.parse(path, base);
  if (!path.startsWith("/") || url?.origin !== base) return undefined;
  const local = url.pathname + url.search + url.hash;
  return local.startsWith("//") ? undefined : local;
}

/** What a browser says of who made it ask. */
export function browserRequest({ req, kind }: DoorRequest) {
  const one = (name: string): string | undefined => {
    const value = req.headers[name];
    return typeof value === "string" ? value : undefined;
  };
  return {
    method: req.method ?? "",
    upgrade: kind === "upgrade",
    origin: one("origin"),
    fetchSite: one("sec-fetch-site"),
    fetchMode: one("sec-fetch-mode"),
    fetchDest: one("sec-fetch-dest"),
    referer: one("referer"),
    userAgent: one("user-agent"),
    upgradeInsecure: one("upgrade-insecure-requests"),
  };
}
