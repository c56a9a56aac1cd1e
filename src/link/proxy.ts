/** Which proxy a URL is reached through: the rules of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, as Go and curl share them. Pure. */
import { BlockList, isIP } from "node:net";
import { LinkError } from "./error.ts";

/** The three environment variables, by value. Proxies are URLs, `http://` or `https://`, with `user:password@` if they ask for it. */
export interface ProxySettings {
  /** For `ws:` URLs. */
  readonly httpProxy?: string | undefined;
  /** For `wss:` URLs. */
  readonly httpsProxy?: string | undefined;
  /**
   * Comma-separated: a host or domain (itself and all below it), `.domain` (only what is below), an address, a
   * network (`10.0.0.0/8`), each with `:port` if only that is meant; or `*` for no proxy at all.
   */
  readonly noProxy?: string | undefined;
}

/** The proxy for a `ws:` or `wss:` URL; undefined means to dial it straight, as is always so for this machine itself. */
export function chooseProxy(url: URL, settings: ProxySettings): URL | undefined {
  const text = url.protocol === "wss:" ? settings.httpsProxy : settings.httpProxy;
  if (!text) return undefined;
  const host = bareHost(url.hostname);
  const port = url.port || (url.protocol === "wss:" ? "443" : "80");
  if (isThisMachine(host) || isExempt(host, port, settings.noProxy ?? "")) return undefined;
  return parseProxy(text);
}

/** Without the brackets that an IPv6 address has in a URL, and without the root's dot. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}

function parseProxy(text: string): URL {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:") || url.hostname === "") {
    // The text is not repeated: it may contain a password.
    throw new LinkError(
      "proxy",
      "The proxy setting is not a URL like http://proxy.example:3128 or https://proxy.example:3129.",
    );
  }
  return url;
}

function isThisMachine(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || loopback.check(host, familyOf(host));
}

function isExempt(host: string, port: string, noProxy: string): boolean {
  return noProxy
    .split(",")
    .map((rule) => rule.trim().toLowerCase())
    .some((rule) => rule !== "" && matches(rule, host, port));
}

function matches(rule: string, host: string, port: string): boolean {
  if (rule === "*") return true;
  const network = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(rule);
  if (network?.[1] && network[2]) return inNetwork(host, network[1], Number(network[2]));
  const [, name = rule, onlyPort] = /^(\[.*\]|[^:]*):(\d+)$/.exec(rule) ?? [];
  if (onlyPort !== undefined && onlyPort !== port) return false;
  const domain = bareHost(name).replace(/^\*\./, ".");
  if (domain.startsWith(".")) return host.endsWith(domain);
  return host === domain || (isIP(host) === 0 && host.endsWith(`.${domain}`));
}

function inNetwork(host: string, address: string, bits: number): boolean {
  if (isIP(host) === 0 || isIP(address) === 0 || bits > (isIP(address) === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(address, bits, familyOf(address));
  return list.check(host, familyOf(host));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");
