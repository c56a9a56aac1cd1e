/** A request at a door, whether it stays HTTP or asks to leave it; and the two ways to answer it. */
import { type IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ClientRequest, type ClientResponse, isGone } from "../../tunnel/client-side.ts";
import { type Problem, renderProblem } from "../problem.ts";

export type DoorRequest =
  | { readonly kind: "http"; readonly req: ClientRequest; readonly res: ClientResponse }
  | { readonly kind: "upgrade"; readonly req: IncomingMessage; readonly socket: Duplex; readonly head: Uint8Array };

/** Answers with the problem, unless something of another answer has gone out; then the answer is broken off. */
export function answerProblem(request: DoorRequest, problem: Problem): void {
  const rendered = renderProblem(problem, request.req.headers.accept);
  answer(request, rendered.status, rendered.headers, rendered.body);
}

export function answer(
  request: DoorRequest,
  status: number,
  headers: readonly (readonly [name: string, value: string])[],
  body = "",
): void {
  if (request.kind === "upgrade" && !(request.socket instanceof Socket && request.socket.writable)) {
    request.socket.destroy();
    return;
  }
  const res: ClientResponse = request.kind === "http" ? request.res : responseOn(request);
  if (res.headersSent || isGone(res)) {
    res.destroy();
    return;
  }
  for (const [name, value] of headers) {
    if (name !== "Connection" || request.req.httpVersionMajor < 2) res.setHeader(name, value);
  }
  res.statusCode = status;
  if (request.req.method === "HEAD") res.end();
  else res.end(body);
  // What the client still sends of a refused request is not worth reading.
  if (!request.req.complete && request.kind === "http") res.once("finish", () => request.req.resume());
}

/** Aborts when the client has gone. What breaks its connection until something else is made of it is no defect of ours. */
export function goneSignal(request: DoorRequest): AbortSignal {
  const gone = new AbortController();
  const outgoing = request.kind === "http" ? request.res : request.socket;
  const onGone = (): void => gone.abort(new Error("The client has gone."));
  if (outgoing.destroyed) onGone();
  outgoing.once("close", onGone);
  outgoing.on("error", () => undefined);
  return gone.signal;
}

/** An upgrade has no response of Node's own. The connection ends with this one. */
function responseOn(request: DoorRequest & { kind: "upgrade" }): ServerResponse {
  const { req, socket } = request;
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  if (socket instanceof Socket) res.assignSocket(socket);
  res.once("finish", () => socket.end());
  return res;
}
