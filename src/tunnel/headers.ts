/**
 * What of a message's headers crosses the tunnel, and what is this hop's own. Pure, on raw header lists (name, value,
 * name, value …), so that order, spelling and repeated headers survive.
 */

/** RFC 9110, 7.6.1, and what older clients send; removed whether or not Connection names them. */
const hopByHop = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** Connection must not be able to remove these: without them the message means another thing. */
const neverNamed = new Set(["content-length", "content-type", "host", "trailer"]);

/** RFC 9110, 6.5.1: what routes, frames or authorises does not come after the fact. */
const notInTrailers = new Set(["authorization", "cookie", "expect", "set-cookie", "location", "content-encoding"]);

/** What only this door may say. A client's own are dropped, in every spelling that a CGI-like app would read as the same. */
const doorsOwn = new Set([
  "fairlead-person",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-proto",
  "x-forwarded-server",
  "x-forwarded-ssl",
  "x-original-url",
  "x-real-ip",
  "x-rewrite-url",
]);

/** How the request came to the door, for the app to know. */
export interface Arrival {
  readonly scheme: "http" | "https";
  /** The Host that the client asked, with its port. */
  readonly host: string;
  /** The client's address, as the socket says. */
  readonly clientAddress: string;
  /** The path before the app's own, without a slash at its end; absent when the app has a host of its own. */
  readonly prefix?: string;
}

export interface RequestRules {
  readonly arrival: Arrival;
  /** Names of cookies that are the console's and never reach an app; with each, those that go on with a hyphen. */
  readonly consoleCookies: readonly string[];
  /** Whether the Authorization header was for the console. */
  readonly stripAuthorization: boolean;
  /** The protocol to upgrade to, when it is to be. */
  readonly upgrade?: string;
  /** What else the door says, name after value. */
  readonly requestHeaders?: readonly string[];
}

/**
 * The request's headers as the app gets them. How the body is delimited is said anew, from what the parser found: HTTP/2
 * delimits one without any header.
 */
export function requestHeaders(
  raw: readonly string[],
  { method, hasBody }: { method: string; hasBody: boolean },
  rules: RequestRules,
): string[] {
  const named = namedByConnection(raw);
  const sent: string[] = ["Host", rules.arrival.host];
  let length: string | undefined;
  let cookies = "";
  let chunked = false;
  let trailers = false;
  for (const [name, value] of pairs(raw)) {
    const lower = name.toLowerCase();
    if (lower === "content-length") length = value;
    else if (lower === "transfer-encoding") chunked = true;
    else if (lower === "te") trailers ||= tokens(value).includes("trailers");
    else if (lower === "host" || lower.startsWith(":") || hopByHop.has(lower) || named.has(lower)) continue;
    else if (doorsOwn.has(lower.replaceAll("_", "-"))) continue;
    else if (lower === "authorization" && rules.stripAuthorization) continue;
    else if (lower === "cookie") cookies += `${value}; `;
    else sent.push(name, value);
  }
  // HTTP/2 sends each cookie by itself, and most apps look at the first header only.
  const kept = withoutCookies(cookies, rules.consoleCookies);
  if (kept !== "") sent.push("Cookie", kept);
  chunked ||= hasBody && length === undefined;
  if (chunked) sent.push("Transfer-Encoding", "chunked");
  else if (length !== undefined) sent.push("Content-Length", length);
  else if (method === "POST" || method === "PUT" || method === "PATCH") sent.push("Content-Length", "0");
  if (trailers) sent.push("TE", "trailers");
  if (rules.upgrade !== undefined) sent.push("Connection", "Upgrade", "Upgrade", rules.upgrade);
  sent.push(...forwardedHeaders(rules.arrival), ...(rules.requestHeaders ?? []));
  return sent;
}

export interface ResponseRules {
  /** Names of cookies that are the console's; an app may not set them. */
  readonly consoleCookies: readonly string[];
  /** As in {@link Arrival}: put before the paths of redirects. */
  readonly prefix?: string;
  /** The Host that the client asked: an absolute redirect to it is the app's own. */
  readonly host: string;
}

/** The rules for the answer to a request that arrived so. */
export function responseRules(request: Pick<RequestRules, "arrival" | "consoleCookies">): ResponseRules {
  const { arrival, consoleCookies } = request;
  return { consoleCookies, host: arrival.host, ...(arrival.prefix !== undefined && { prefix: arrival.prefix }) };
}

/**
 * The response's headers as the client gets them. A Set-Cookie with a Domain, or by a `__Host-` name, is dropped: it would
 * reach beyond this app, to others and to the console.
 */
export function responseHeaders(raw: readonly string[], rules: ResponseRules): string[] {
  const named = namedByConnection(raw);
  const chunked = pairs(raw).some(([name]) => name.toLowerCase() === "transfer-encoding");
  const sent: string[] = [];
  for (const [name, value] of pairs(raw)) {
    const lower = name.toLowerCase();
    if (lower === "content-length" && chunked) continue; // The parser went by the other, so this one is untrue.
    if (lower.startsWith(":") || hopByHop.has(lower) || named.has(lower)) continue;
    // Both would speak for the door: where else it answers, and what the browser keeps for all of its domain.
    if (lower === "alt-svc" || lower === "clear-site-data") continue;
    if (lower === "set-cookie" && !mayCross(value, rules.consoleCookies)) continue;
    if (lower === "location") sent.push(name, prefixed(value, rules));
    else sent.push(name, value);
  }
  return sent;
}

/** Trailers that may come after a body: none that would change what was said before it. */
export function trailerPairs(raw: readonly string[]): [name: string, value: string][] {
  return pairs(raw).filter(([name]) => {
    const lower = name.toLowerCase();
    return !(hopByHop.has(lower) || neverNamed.has(lower) || notInTrailers.has(lower) || doorsOwn.has(lower));
  });
}

/** The headers of a 101, which keep what the upgrade is about. */
export function upgradeHeaders(raw: readonly string[], rules: ResponseRules): string[] {
  const upgrade = pairs(raw).find(([name]) => name.toLowerCase() === "upgrade")?.[1] ?? "websocket";
  return ["Connection", "Upgrade", "Upgrade", upgrade, ...responseHeaders(raw, rules)];
}

/** The values of the cookies of this name: a browser may send several, of which only one is right. */
export function cookieValues(header: string | undefined, name: string): string[] {
  return cookieParts(header ?? "")
    .filter((part) => cookieName(part) === name)
    .map((part) => part.slice(part.indexOf("=") + 1).trim());
}

/** The names after Connection, lower-case, but for those that no client may take out. */
function namedByConnection(raw: readonly string[]): ReadonlySet<string> {
  const named = new Set<string>();
  for (const [name, value] of pairs(raw)) {
    if (name.toLowerCase() !== "connection") continue;
    for (const token of tokens(value)) if (!neverNamed.has(token)) named.add(token);
  }
  return named;
}

function withoutCookies(value: string, names: readonly string[]): string {
  return cookieParts(value)
    .filter((part) => !isOneOf(cookieName(part), names))
    .join("; ");
}

function mayCross(setCookie: string, consoleCookies: readonly string[]): boolean {
  const [pair = "", ...attributes] = setCookie.split(";");
  const name = cookieName(pair);
  // Browsers take the prefix in any case, and read a cookie without a name by its value.
  const prefixedName = name === "" ? pair.replace(/^\s*=?\s*/, "") : name;
  if (prefixedName.toLowerCase().startsWith("__host-") || isOneOf(name, consoleCookies)) return false;
  return !attributes.some((attribute) => /^\s*domain\s*(=|$)/i.test(attribute));
}

function isOneOf(name: string, names: readonly string[]): boolean {
  return names.some((own) => name === own || name.startsWith(`${own}-`));
}

function prefixed(location: string, rules: ResponseRules): string {
  if (rules.prefix === undefined) return location;
  if (location.startsWith("/") && !location.startsWith("//")) return rules.prefix + location;
  for (const scheme of ["http", "https"]) {
    const own = `${scheme}://${rules.host}`;
    if (location === own || location.startsWith(`${own}/`)) return own + rules.prefix + location.slice(own.length);
  }
  return location;
}

function forwardedHeaders(arrival: Arrival): string[] {
  const { scheme, host, clientAddress, prefix } = arrival;
  const forwardedFor = clientAddress.includes(":") ? `"[${clientAddress}]"` : clientAddress;
  return [
    "X-Forwarded-For",
    clientAddress,
    "X-Forwarded-Host",
    host,
    "X-Forwarded-Proto",
    scheme,
    ...(prefix === undefined ? [] : ["X-Forwarded-Prefix", prefix]),
    "Forwarded",
    `for=${forwardedFor};host="${host}";proto=${scheme}`,
  ];
}

/** A raw list as pairs of name and value. */
export function pairs(raw: readonly string[]): [name: string, value: string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) list.push([raw[i] ?? "", raw[i + 1] ?? ""]);
  return list;
}

function tokens(value: string): string[] {
  return value.split(",").map((token) => token.trim().toLowerCase());
}

function cookieParts(value: string): string[] {
  return value
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function cookieName(part: string): string {
  const equals = part.indexOf("=");
  return equals < 0 ? "" : part.slice(0, equals).trim();
}
