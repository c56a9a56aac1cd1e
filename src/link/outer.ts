/**
 * The way to the other end's door: TCP, perhaps through an HTTP proxy, perhaps in an outer TLS that an ingress ends.
 * Nothing here is trusted: who the other is, is decided by the TLS inside.
 */
import { request } from "node:http";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { unescape as percentDecoded } from "node:querystring"; // Takes a stray "%" as it is, where decodeURIComponent throws.
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { errorText } from "../base/error-text.ts";
import { LinkError } from "./error.ts";
import { describeOuterTlsFailure } from "./outer-failure.ts";
import { bareHost } from "./proxy.ts";

/** How the outer TLS of `wss` is checked, and that of an `https` proxy. */
export interface OuterTls {
  /** PEM of the roots to trust instead of the public ones. */
  readonly rootCaPem?: string | undefined;
  /** Takes whatever certificate the outer end shows. The TLS inside still proves who the peer is. */
  readonly insecure?: boolean | undefined;
}

/** Longest response head of a proxy, in bytes. */
const largestProxyHead = 8_192;

/** A connection to the host of `url` over which HTTP can be spoken. Rejects with `LinkError`, or the signal's reason when that aborts. */
export async function openOuter(
  url: URL,
  o: { proxy: URL | undefined; tls: OuterTls },
  signal: AbortSignal,
): Promise<Socket> {
  const host = bareHost(url.hostname);
  const port = Number(url.port || (url.protocol === "wss:" ? 443 : 80));
  const socket = o.proxy ? await openTunnel(o.proxy, host, port, o.tls, signal) : await openTcp(host, port, signal);
  return url.protocol === "wss:" ? openTls(socket, host, o.tls, signal) : socket;
}

async function openTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = connectTcp({ host, port, noDelay: true });
  return established(socket, "connect", signal, (cause) => {
    return new LinkError("unreachable", `${host} port ${port} cannot be reached: ${errorText(cause)}.`, cause);
  });
}

async function openTls(below: Socket, host: string, tls: OuterTls, signal: AbortSignal): Promise<Socket> {
  const socket = connectTls({
    socket: below,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(tls.rootCaPem === undefined ? {} : { ca: tls.rootCaPem }),
    rejectUnauthorized: tls.insecure !== true,
    ALPNProtocols: ["http/1.1"],
  });
  return established(socket, "secureConnect", signal, (cause) => {
    return new LinkError("outer-tls", describeOuterTlsFailure(host, cause), cause);
  });
}

/** A connection to `host` made by the proxy on our behalf (RFC 9110 §9.3.6). The proxy looks the name up. */
async function openTunnel(proxy: URL, host: string, port: number, tls: OuterTls, signal: AbortSignal): Promise<Socket> {
  const proxyHost = bareHost(proxy.hostname);
  const secure = proxy.protocol === "https:";
  const tcp = await openTcp(proxyHost, Number(proxy.port || (secure ? 443 : 80)), signal);
  const socket = secure ? await openTls(tcp, proxyHost, tls, signal) : tcp;
  const authority = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  const tunnel = request({
    method: "CONNECT",
    path: authority,
    headers: { host: authority, ...proxyAuthorization(proxy) },
    createConnection: () => socket,
    maxHeaderSize: largestProxyHead,
  });
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      act();
    };
    const fail = (error: unknown): void =>
      settle(() => {
        tunnel.destroy();
        socket.destroy();
        reject(error);
      });
    const onAbort = (): void => fail(signal.reason);
    const refused = (status: number): void => fail(refusedTunnel(proxy, authority, status));
    signal.addEventListener("abort", onAbort, { once: true });
    tunnel.on("error", (cause) =>
      fail(
        new LinkError(
          "proxy",
          `The proxy ${proxy.host} failed to connect to ${authority}: ${errorText(cause)}.`,
          cause,
        ),
      ),
    );
    tunnel.once("response", (response) => refused(response.statusCode ?? 0));
    tunnel.once("connect", (response, _socket, head: Buffer) => {
      if (response.statusCode !== 200) return refused(response.statusCode ?? 0);
      if (head.length > 0) socket.unshift(head);
      settle(() => resolve(socket));
    });
    tunnel.end();
    if (signal.aborted) onAbort();
  });
}

function proxyAuthorization(proxy: URL): { "proxy-authorization"?: string } {
  if (proxy.username === "" && proxy.password === "") return {};
  const credentials = `${percentDecoded(proxy.username)}:${percentDecoded(proxy.password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}

function refusedTunnel(proxy: URL, authority: string, status: number): LinkError {
  const hint =
    status === 407
      ? "It asks for a user and a password: put them into the proxy's URL."
      : status === 403 || status === 405
        ? "It does not allow CONNECT to that host and port."
        : "Can it reach that host?";
  return new LinkError("proxy", `The proxy ${proxy.host} answered CONNECT ${authority} with HTTP ${status}. ${hint}`);
}

/** Waits for a socket to be usable; destroys it otherwise. */
function established<S extends Duplex>(
  socket: S,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
  translate: (cause: unknown) => LinkError,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void): void => {
      signal.removeEventListener("abort", onAbort);
      socket.removeListener(event, onOpen);
      socket.removeListener("error", onError);
      socket.removeListener("close", onClose);
      act();
    };
    const fail = (error: unknown): void =>
      finish(() => {
        socket.destroy();
        reject(error);
      });
    const onOpen = (): void => finish(() => resolve(socket));
    const onError = (error: Error): void => fail(translate(error));
    const onClose = (): void => fail(translate(new Error("the connection was closed")));
    const onAbort = (): void => fail(signal.reason);
    // For good: whoever answers can break the connection in the very bytes that established it, when nobody else listens yet. The
    // next listener finds the socket destroyed.
    socket.on("error", () => {});
    socket.once(event, onOpen);
    socket.once("error", onError);
    socket.once("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
