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
}

/** True when the request comes from the app's own page, from the person, or is a plain link to follow. */
export function mayUseCookie(request: BrowserRequest): boolean {
  const { origin, fetchSite } = request;
  const safe = (request.method === "GET" || request.method === "HEAD") && !request.upgrade;
  if (fetchSite !== undefined && fetchSite !== "same-origin" && fetchSite !== "none") {
    return safe && request.fetchMode === "navigate" && request.fetchDest === "document";
  }
  if (origin === undefined || safe) return true;
  return originHost(origin) === request.host.toLowerCase();
}

/** Host and port of an origin; undefined for "null" and for what is none. */
function originHost(origin: string): string | undefined {
  return /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase();
}
