/**
 * The cookies of who is signed in. Their names begin with `__Host-`, so that a browser takes them from this very host alone, over TLS
 * or on its own machine, and sends them nowhere else. Browsers know of no ports; so that two agents at one name, as behind two
 * port-forwards, do not take each other's place, the name has the port. Pure.
 */
import { cookieValues } from "../../tunnel/headers.ts";

/** What the name of each cookie of the console begins with: none of them is for anybody else. */
export const cookiePrefix = "__Host-fairlead";

/** `origin` is the console's as the browser sees it. */
export function sessionCookieName(origin: string): string {
  return cookiePrefix + suffix(origin);
}

/** Of a sign-in at a provider that is under way. */
export function pendingCookieName(origin: string): string {
  return `${cookiePrefix}-oidc${suffix(origin)}`;
}

/** Of a browser by which somebody has signed in before. */
export function markCookieName(origin: string): string {
  return `${cookiePrefix}-known${suffix(origin)}`;
}

/** It opens nothing: strangers who try passwords do not make this browser wait. */
export function setMarkCookie(origin: string, value: string): string {
  return `${markCookieName(origin)}=${value}; ${common}; SameSite=Strict; Max-Age=${markSeconds}`;
}

/** No page can read it, and no other site's page can make a browser send it. */
export function setSessionCookie(origin: string, value: string, maxAgeMs: number): string {
  return `${sessionCookieName(origin)}=${value}; ${common}; SameSite=Strict; Max-Age=${Math.floor(maxAgeMs / 1_000)}`;
}

/** The provider sends the browser back from its own site, with this. */
export function setPendingCookie(origin: string, value: string, maxAgeMs: number): string {
  return `${pendingCookieName(origin)}=${value}; ${common}; SameSite=Lax; Max-Age=${Math.floor(maxAgeMs / 1_000)}`;
}

/** More than a few of one name are somebody's try. */
export function readCookies(header: string | undefined, name: string): string[] {
  return cookieValues(header, name).slice(0, 4);
}

const markSeconds = 90 * 24 * 3_600;
const common = "Path=/; Secure; HttpOnly";

function suffix(origin: string): string {
  const { port } = new URL(origin);
  return port === "" ? "" : `-${port}`;
}
