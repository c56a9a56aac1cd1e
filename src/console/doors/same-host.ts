/**
 * A cookie comes along whoever made the browser ask. What the browser says about who did is judged here, so that the page
 * of one app can do nothing at another's host in its visitor's name. Pure.
 */
export interface BrowserRequest {
  readonly method: string;
  /** As the browser sent it, with its port. */
  readonly host: string;
  readonly upgrade: boolean;
  readonly origin?: string | undefined;
  readonly fetchSite?: string | undefined;
  readonly fetchMode?: string | undefined;
  readonly fetchDest?: string | undefined;
  readonly referer?: string | undefined;
  readonly userAgent?: string | undefined;
  /** The header Upgrade-Insecure-Requests: with it a browser opens a page, in a window or in a frame. No page can make one send it otherwise. */
  readonly upgradeInsecure?: string | undefined;
}

/** What goes with an answer to a browser that did not say who asked: no other site shows it in a frame, and its own pages name themselves. */
export const shield = ["Content-Security-Policy", "frame-ancestors 'self'", "Referrer-Policy", "same-origin"];

/** True when the request comes from the app's own page, from the person, or is a plain link to follow. */
export function mayUseCookie(request: BrowserRequest): boolean {
  const { origin, fetchSite } = request;
  const safe = (request.method === "GET" || request.method === "HEAD") && !request.upgrade;
  if (fetchSite !== undefined && fetchSite !== "same-origin" && fetchSite !== "none") {
    return safe && request.fetchMode === "navigate" && request.fetchDest === "document";
  }
  if (origin !== undefined) return originHost(origin) === request.host.toLowerCase();
  if (!saysNothing(request) || (safe && request.upgradeInsecure !== undefined)) return true;
  return refererHost(request.referer) === request.host.toLowerCase();
}

/**
 * Whether it is a browser that does not say who asks: in clear, beyond loopback names, none does. Programs send no cookie that they
 * were not told to send.
 */
export function saysNothing({ fetchSite, userAgent }: BrowserRequest): boolean {
  return fetchSite === undefined && /^Mozilla\//.test(userAgent ?? "");
}

/** Host and port of an origin; undefined for "null" and for what is none. */
function originHost(origin: string): string | undefined {
  return /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase();
}

/** Host and port of the page or style sheet that asks; undefined when it is kept back. */
function refererHost(referer: string | undefined): string | undefined {
  return /^https?:\/\/([^/]+)\//i.exec(referer ?? "")?.[1]?.toLowerCase();
}
