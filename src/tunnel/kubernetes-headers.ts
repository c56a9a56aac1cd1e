/** Which headers of a request reach the Kubernetes API, and in whose name it is made. Pure, on raw header lists. */
import { pairs } from "./headers.ts";

/** In which the origin's agent says who asks there. No client's own passes it. */
export const personHeader = "Fairlead-Person";

/** The key under which the API server's audit finds who asks, as the peer says. */
const personKey = "fairlead.dev/asserted-person";

/** The group of all peers. */
const peersGroup = "fairlead:peers";

/** In whose name requests are made. */
export interface Impersonated {
  readonly user: string;
  readonly groups: readonly string[];
  readonly person: string | undefined;
}

export function impersonate(peer: string, groups: readonly string[], person: string | undefined): Impersonated {
  return { user: `fairlead:peer:${peer}`, groups: [...new Set([peersGroup, ...groups])], person };
}

/** This hop's own (RFC 9110, 7.6.1), and what is said anew. */
const hopByHop = new Set([
  "connection",
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Whatever says who asks, in any spelling: credentials, impersonation, and what a proxy in front of a server says of its client.
 */
const aboutTheCaller =
  /^(authorization|cookie2?|proxy-.*|impersonate-.*|x-remote-.*|x-forwarded-.*|x-original-.*|x-rewrite-.*|x-real-ip|x-client-.*|(x-)?ssl-.*|client-cert.*|forwarded|via|fairlead-.*)$/;

/** The headers for the API server. `upgrade` is the protocol to change to, when it is to be. */
export function apiHeaders(
  raw: readonly string[],
  o: { readonly as: Impersonated; readonly upgrade?: string | undefined; readonly method: string },
): string[] {
  const named = new Set<string>();
  let length: string | undefined;
  let chunked = false;
  for (const [name, value] of pairs(raw)) {
    const lower = name.toLowerCase();
    if (lower === "connection") for (const token of value.split(",")) named.add(token.trim().toLowerCase());
    if (lower === "content-length") length = value;
    if (lower === "transfer-encoding") chunked = true;
  }
  named.delete("content-type");
  const sent: string[] = [];
  for (const [name, value] of pairs(raw)) {
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || named.has(lower) || aboutTheCaller.test(lower.replaceAll("_", "-"))) continue;
    sent.push(name, value);
  }
  if (chunked) sent.push("Transfer-Encoding", "chunked");
  else if (length !== undefined) sent.push("Content-Length", length);
  else if (/^(POST|PUT|PATCH)$/.test(o.method)) sent.push("Content-Length", "0");
  if (o.upgrade !== undefined) sent.push("Connection", "Upgrade", "Upgrade", o.upgrade);
  return [...sent, ...impersonationHeaders(o.as)];
}

export function impersonationHeaders({ user, groups, person }: Impersonated): string[] {
  const headers = ["Impersonate-User", user];
  for (const group of groups) headers.push("Impersonate-Group", group);
  // The key is percent-encoded where a header's name may not have the letter.
  if (person !== undefined) headers.push(`Impersonate-Extra-${encodeURIComponent(personKey)}`, asHeader(person));
  return headers;
}

/** What a peer says of a person, as one line; undefined when it says nothing. */
export function readPerson(header: string | string[] | undefined): string | undefined {
  if (typeof header !== "string") return undefined;
  const text = Buffer.from(header, "latin1").toString("utf8");
  return (
    text
      .replaceAll(/[\p{Cc}\ufffd]/gu, "")
      .trim()
      .slice(0, 128) || undefined
  );
}

/** UTF-8 in a header's value, of which Node writes each character as one byte. */
export function asHeader(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The headers of an answer, without what is the hop's own, and what a page behind the API could do to a browser. */
export function answerHeaders(raw: readonly string[]): string[] {
  const notKept = /^(connection|keep-alive|proxy-.*|transfer-encoding|upgrade|set-cookie2?|alt-svc|clear-site-data)$/i;
  return pairs(raw)
    .filter(([name]) => !notKept.test(name))
    .flat();
}
