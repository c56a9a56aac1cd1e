import { LinkError } from "./error.ts";

/** The last segment of the peer port's one path. What stands before it is an ingress's business, and kept. */
const linkPath = "/link";

/**
 * The URL to dial for what a person or an invite gave: `wss://host/prefix/link` from that, from `wss://host/prefix` or
 * from `https://host/prefix/`. Throws `LinkError` when it is not such a URL.
 */
export function parseLinkUrl(text: string): URL {
  const url = URL.parse(text);
  const protocol = url && secureOf[url.protocol];
  if (!url || !protocol || url.hostname === "") {
    throw new LinkError("bad-url", "The peer's URL must look like wss://host/link or ws://host:port/link.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new LinkError(
      "bad-url",
      "The peer's URL must not contain a user or a password: agents prove who they are by certificates.",
    );
  }
  const path = url.pathname.replace(/\/+$/, "");
  const whole = new URL(`${protocol}//${url.host}`);
  whole.pathname = path.endsWith(linkPath) ? path : path + linkPath;
  whole.search = url.search;
  return whole;
}

/** The same where such a URL is welcome and not needed; undefined for anything else. */
export function readLinkUrl(text: string): string | undefined {
  try {
    return parseLinkUrl(text).href;
  } catch (error) {
    if (error instanceof LinkError) return undefined;
    throw error;
  }
}

/** Whether a request's target is the peer port's path, with whatever prefix an ingress has left on it. */
export function isLinkTarget(target: string | undefined): boolean {
  return target?.split("?", 1)[0]?.endsWith(linkPath) ?? false;
}

const secureOf: Readonly<Record<string, "ws:" | "wss:">> = {
  "ws:": "ws:",
  "http:": "ws:",
  "wss:": "wss:",
  "https:": "wss:",
};
