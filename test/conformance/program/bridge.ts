/**
 * Between gRPC over HTTP/2, which the suite's reference client and server speak, and streams of a session. It copies headers,
 * bytes, trailers and resets as they are and knows nothing of gRPC, so what the suite judges is what the other end of the session said.
 */

import { once } from "node:events";
import { type ClientHttp2Session, constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { pipeline } from "node:stream/promises";
import { StreamBody, writeBody } from "../../../src/rpc/body.ts";
import { Reason, type StreamError } from "../../../src/wire/reason.ts";
import type { IncomingRpc, Session } from "../../../src/wire/session.ts";

/** A request that came by HTTP/2 goes on as a stream. Never rejects. */
export async function toSession(
  session: Session,
  request: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): Promise<void> {
  const stream = session.open({ rpc: { path: String(headers[":path"]), headers: fromHttp(headers) } });
  const body = new StreamBody(stream, { cut: (error) => request.close(toHttpCode(error)) });
  request.on("error", () => undefined);
  request.on("close", () => stream.reset(toReason(request.rstCode), "The caller has left."));
  try {
    void writeBody(stream, request).then(
      () => stream.end(),
      () => stream.reset(Reason.CANCELLED, "The request broke off."),
    );
    const head = await body.headArrived;
    request.on("wantTrailers", () => request.sendTrailers(toHttp(body.trailers)));
    request.respond({ ":status": head.status || 200, ...toHttp(head.headers) }, { waitForTrailers: true });
    await pipeline(body, request);
  } catch {
    request.close(constants.NGHTTP2_INTERNAL_ERROR);
  }
}

/** A stream that came by the session goes on as a request by HTTP/2. Never rejects. */
export async function toHttp2(client: ClientHttp2Session, { path, headers, stream }: IncomingRpc): Promise<void> {
  const request = client.request({ ":method": "POST", ":path": path, ...toHttp(headers) });
  const body = new StreamBody(stream, { cut: (error) => request.close(toHttpCode(error)) });
  const broken = (): void => stream.reset(toReason(request.rstCode), "The answer broke off.");
  let trailers = new Headers();
  request.on("error", broken);
  request.on("trailers", (fields: IncomingHttpHeaders) => {
    trailers = fromHttp(fields);
  });
  pipeline(body, request, { end: true }).catch(() => undefined);
  try {
    const [fields]: IncomingHttpHeaders[] = await once(request, "response");
    if (fields === undefined) return broken();
    stream.sendHead(Number(fields[":status"]), fromHttp(fields));
    await writeBody(stream, request);
    if (request.rstCode === constants.NGHTTP2_NO_ERROR) stream.end(trailers);
    else broken();
  } catch {
    broken();
  }
}

/** Without HTTP/2's pseudo-headers. */
function fromHttp(fields: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  return headers;
}

function toHttp(headers: Headers): Record<string, string> {
  return Object.fromEntries(headers);
}

/** As gRPC has it for resets of HTTP/2. */
function toReason(code: number | undefined): Reason {
  switch (code) {
    case constants.NGHTTP2_CANCEL:
      return Reason.CANCELLED;
    case constants.NGHTTP2_REFUSED_STREAM:
      return Reason.UNREACHABLE;
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return Reason.OVERLOADED;
    case constants.NGHTTP2_INADEQUATE_SECURITY:
      return Reason.DENIED;
    default:
      return Reason.INTERNAL;
  }
}

function toHttpCode({ reason }: StreamError): number {
  const isCancelled = reason === Reason.CANCELLED || reason === Reason.DEADLINE;
  return isCancelled ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_INTERNAL_ERROR;
}
