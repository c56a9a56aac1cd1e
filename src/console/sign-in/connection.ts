/**
 * Whether somebody can sign in over the connection that they came by, and whether a request that brings their cookie was made by the
 * console's own page. Pure.
 */

/** What is known of a request. */
export interface Came {
  /** Absolute: the scheme as it was spoken here, and the host as the client named it. */
  readonly url: string;
  readonly method: string;
  readonly upgrade: boolean;
  readonly origin?: string | undefined;
  readonly fetchSite?: string | undefined;
}

export type Connection =
  | {
      readonly ok: true;
      /** That of the console as the browser sees it. */
      readonly origin: string;
    }
  | {
      readonly ok: false;
      /** For people: what is wrong with it. */
      readonly why: string;
      /** Where it is right. */
      readonly better: string;
    };

/**
 * Nobody in between must read a password or a session. So: TLS to here; TLS to what stands before this agent and passes the requests
 * on under the name of `consoleUrl`; or a name that leads to the person's own machine. What headers say of TLS elsewhere counts for
 * nothing: anybody can write them.
 */
export function judgeConnection({ url }: Pick<Came, "url">, consoleUrl: string | undefined): Connection {
  const parsed = URL.parse(url);
  if (!parsed) return { ok: false, why: "This is no connection of a browser.", better: consoleUrl ?? "" };
  const { protocol, host, hostname, origin } = parsed;
  if (protocol === "https:") return { ok: true, origin };
  const own = consoleUrl === undefined ? undefined : URL.parse(consoleUrl);
  if (own?.host === host) return { ok: true, origin: own.origin };
  if (isLoopbackName(hostname)) return { ok: true, origin };
  const better = own?.origin ?? `https://${host}`;
  return { ok: false, why: "Passwords and sessions do not go over a connection that others can read.", better };
}

/** Names that browsers take for their own machine whatever a resolver says. */
function isLoopbackName(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || isLoopbackAddress(hostname);
}

function isLoopbackAddress(hostname: string): boolean {
  return hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Whether the console's own page asks, or the person themselves. A cookie comes along whoever made the browser ask, so that without
 * this any page could act in its visitor's name. Browsers name the page's origin with whatever may change something and with each
 * WebSocket; with plain reading they say, to whom they trust, whose page it is. Who says neither is no browser that could be judged.
 */
export function isOwnPage(came: Came, consoleUrl: string | undefined): boolean {
  const connection = judgeConnection(came, consoleUrl);
  if (!connection.ok) return false;
  const { origin, fetchSite, method, upgrade } = came;
  if (fetchSite !== undefined && fetchSite !== "same-origin" && fetchSite !== "none") return false;
  if (origin !== undefined) return origin === connection.origin;
  const isReading = (method === "GET" || method === "HEAD") && !upgrade;
  return isReading && fetchSite !== undefined;
}
