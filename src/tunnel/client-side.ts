/**
 * The client's side of an exchange, which is HTTP/1.1 or HTTP/2, as Node has both. What differs between the two is here; all
 * else treats them alike.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, Http2ServerRequest, Http2ServerResponse, type OutgoingHttpHeaders } from "node:http2";
import type { Clock } from "../base/clock.ts";

export type ClientRequest = IncomingMessage | Http2ServerRequest;
export type ClientResponse = ServerResponse | Http2ServerResponse;

/** Whether the request has a body, as the parser understood it. */
export function hasBody(req: ClientRequest): boolean {
  if (req instanceof Http2ServerRequest) return !req.stream.endAfterHeaders;
  return req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"] ?? 0) > 0;
}

/** The host and port that were asked; empty without. */
export function authorityOf(req: ClientRequest): string {
  const authority = req instanceof Http2ServerRequest ? req.authority : undefined;
  return authority || (req.headers.host ?? "");
}

/** Whether all of the body has come. To be asked when it has ended, for one that was broken off ends, too. */
export function isWhole(req: ClientRequest): boolean {
  if (!(req instanceof Http2ServerRequest)) return req.complete;
  // Nobody reads a body that is not there, so it would never have ended.
  return !req.aborted && (req.readableEnded || req.stream.endAfterHeaders);
}

/** Whether nothing can be answered any more. */
export function isGone(res: ClientResponse): boolean {
  return res instanceof Http2ServerResponse ? res.stream.destroyed || res.stream.closed : res.destroyed;
}

export interface AnswerHead {
  readonly status: number;
  readonly message: string;
  /** Name after value. */
  readonly headers: readonly string[];
  /** Neither a body nor trailers follow, which gRPC wants to be seen at once. */
  readonly ends?: boolean;
}

/** Sends status and headers at once. Throws at what Node refuses to write; nothing was sent then. */
export function sendHead(res: ClientResponse, head: AnswerHead): void {
  if (!(res instanceof Http2ServerResponse)) {
    res.writeHead(head.status, head.message, [...head.headers]);
    const { socket } = res;
    socket?.cork();
    res.flushHeaders();
    // The start of a body is often in the same piece as the head, and then leaves in the same write. An end uncorks by itself.
    if (socket) setImmediate(() => socket.uncork());
    return;
  }
  const headers = groupHeaders(head.headers);
  try {
    res.statusCode = head.status;
    for (const [name, values] of Object.entries(headers)) if (values !== undefined) res.setHeader(name, values);
    if (head.ends) res.end();
    else res.writeHead(head.status);
  } catch (error) {
    if (!res.headersSent) for (const name of res.getHeaderNames()) res.removeHeader(name);
    throw error;
  }
}

/** Interim answers that Node can write. One that it does not like is no reason to fail: they are hints. */
export function sendInformation(res: ClientResponse, status: number, link: string | string[] | undefined): void {
  if (res.headersSent || isGone(res)) return;
  try {
    if (status === 103 && link !== undefined) res.writeEarlyHints({ link });
    if (status !== 102) return;
    if (res instanceof Http2ServerResponse) res.stream.additionalHeaders({ ":status": 102 });
    else res.writeProcessing();
  } catch {
    // The link was malformed.
  }
}

/** What comes after the body; to be called before its end. */
export function addTrailers(res: ClientResponse, trailers: readonly [name: string, value: string][]): void {
  if (trailers.length === 0) return;
  if (res instanceof Http2ServerResponse) res.addTrailers(groupHeaders(trailers.flat()));
  else res.addTrailers([...trailers]);
}

/** Calls back once the answer has been written whole. */
export function whenWritten(res: ClientResponse, done: () => void): void {
  // The response of HTTP/2 says so only when the client, too, has said all.
  if (res instanceof Http2ServerResponse) res.stream.once("finish", done);
  else res.once("finish", done);
}

/** After an answer that came before its request had ended, the client may go on for so long before it is cut. Milliseconds. */
const lingerMs = 5_000;

/** A client that still sends may not read the answer first, so it is heard out for a while, and then cut. */
export function endEarly(req: ClientRequest, clock: Clock): void {
  req.resume();
  if (req instanceof Http2ServerRequest) {
    req.stream.close(constants.NGHTTP2_NO_ERROR); // HTTP/2 has a word for it.
    return;
  }
  const cut = clock.after(lingerMs, () => req.socket.destroy());
  cut.unref?.();
  req.once("end", () => cut.cancel());
  req.once("close", () => cut.cancel());
}

/** A raw list in the form of HTTP/2: names in small letters, the values of one together. */
export function groupHeaders(raw: readonly string[]): OutgoingHttpHeaders {
  const grouped = new Map<string, string | string[]>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = String(raw[i]).toLowerCase();
    const value = String(raw[i + 1]);
    const before = grouped.get(name);
    grouped.set(name, before === undefined ? value : [before, value].flat());
  }
  return Object.fromEntries(grouped);
}
