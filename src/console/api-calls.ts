/**
 * Calls of the API over HTTP of either version: which method a path names, what of its request is held and how long that may take
 * to come, and the answer. What is no call of any protocol is told what would be one.
 */
import { Code, ConnectError, type ConnectRouter, type ContextValues, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { boundedTimeout, timeoutHeaders } from "../rpc/call-timeout.ts";
import { maxMessageBytes } from "../rpc/message.ts";
import { type UnfinishedCall, UnfinishedMessages } from "../rpc/unfinished.ts";
import {
  type ClientRequest,
  type ClientResponse,
  endEarly,
  isGone,
  isWhole,
  whenWritten,
} from "../tunnel/client-side.ts";
import { callerAddress } from "./auth/caller-address.ts";
import { personOf, principalKey } from "./auth/principal.ts";
import { tryLater } from "./try-later.ts";

export interface ApiCallsDeps {
  /** Says which services there are, and what stands in front of them. */
  routes(router: ConnectRouter): void;
  /** Ends all calls, with its reason. */
  readonly stop: AbortSignal;
  readonly clock: Clock;
  readonly log: Log;
}

/** Bytes of requests that are held at a time: of one person half of it, and of each who comes after half of what there is left. */
const mostHeldBytes = 64 * 1024 * 1024;
/** For so long a request that is one message may take to come, in milliseconds. */
const askMs = 60_000;
/** For so long one may go on that was answered before its end, in milliseconds. */
const lingerMs = 5_000;

export interface ApiCalls {
  /** Whether there is a call with the path of this URL. */
  claims(url: string | undefined): boolean;
  /** Answers one call. */
  serve(req: ClientRequest, res: ClientResponse): void;
}

export function createApiCalls(deps: ApiCallsDeps): ApiCalls {
  const { clock, log } = deps;
  const router = createConnectRouter({
    acceptCompression: [compressionGzip, compressionBrotli],
    readMaxBytes: maxMessageBytes,
    shutdownSignal: deps.stop,
  });
  deps.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const held = new UnfinishedMessages(mostHeldBytes, (message) => tryLater(message, { seconds: 1 }));

  async function answer(handler: UniversalHandler, req: ClientRequest, res: ClientResponse): Promise<void> {
    const contextValues = callerAddress(req);
    let call: UnfinishedCall | undefined;
    res.once("close", () => call?.end());
    // Whoever is refused is told so: to leave a request in its middle must not cut the connection before the answer.
    whenWritten(res, () => void (isWhole(req) || hearOut(req, clock)));
    async function* body(): AsyncGenerator<Uint8Array> {
      // Nothing is read before it is known who calls.
      call = held.call(personIn(contextValues));
      const pieces: AsyncIterable<Uint8Array> = req.iterator({ destroyOnReturn: false });
      const isOneMessage = handler.method.methodKind === "unary" || handler.method.methodKind === "server_streaming";
      yield* isOneMessage ? call.meterWhole(within(askMs, pieces, clock)) : call.meter(pieces);
    }
    const request = universalRequestFromNodeRequest(req, res, undefined, contextValues);
    const response = await handler({ ...request, body: body() });
    const isUnsaid = response.body === undefined && response.status >= 400;
    if (isUnsaid) tell(res, response.status, mistakeIn(req, handler, response.status));
    else await universalResponseToNodeResponse({ ...response, ...endedWith(res, response.body) }, res);
  }

  return {
    claims: (url) => handlers.has(pathOf(url)),
    serve(req, res) {
      boundTimeouts(req.headers);
      const path = pathOf(req.url);
      const handler = handlers.get(path);
      if (!handler) {
        refuse(res, 404, noSuchCall(path));
        return;
      }
      answer(handler, req, res).catch((error: unknown) => {
        // Most have left before their answer was whole.
        log.debug({ err: error, path }, "a call could not be answered");
        if (!res.headersSent) refuse(res, 500, new ConnectError("The answer could not be made.", Code.Internal));
        else if (!isGone(res)) res.destroy();
      });
    },
  };
}

function pathOf(url = ""): string {
  return url.split("?", 1)[0] ?? "";
}

/** The body of an answer, which ends when nobody can take it any more: whoever writes it may wait then for room that never comes. */
function endedWith(res: ClientResponse, body: AsyncIterable<Uint8Array> | undefined) {
  if (!body) return {};
  const pieces = body[Symbol.asyncIterator]();
  res.once("close", () => void pieces.return?.().catch(() => undefined));
  return { body: { [Symbol.asyncIterator]: () => pieces } };
}

/** Puts the longest time-out that can be kept in place of a longer one. */
function boundTimeouts(headers: ClientRequest["headers"]): void {
  for (const name of timeoutHeaders) {
    const value = headers[name];
    const bounded = typeof value === "string" ? boundedTimeout(value) : undefined;
    if (bounded !== undefined) headers[name] = bounded;
  }
}

/** What a client goes on to say after its answer nobody reads. It is let finish, and then cut: trailers of an answer may come late. */
function hearOut(req: ClientRequest, clock: Clock): void {
  req.resume();
  const late = clock.after(lingerMs, () => void (isWhole(req) || endEarly(req, clock)));
  late.unref?.();
  req.once("close", () => late.cancel());
}

function personIn(values: ContextValues): string {
  const principal = values.get(principalKey);
  return principal ? personOf(principal) : "";
}

/** Throws DEADLINE_EXCEEDED when they have not all come in time. */
async function* within<T>(ms: number, pieces: AsyncIterable<T>, clock: Clock): AsyncGenerator<T> {
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => undefined);
  const timer = clock.after(ms, () =>
    late.reject(new ConnectError(`The request did not come within ${ms / 1_000} s.`, Code.DeadlineExceeded)),
  );
  timer.unref?.();
  const iterator = pieces[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), late.promise]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    timer.cancel();
    // Not waited for: it comes to that when something more has come, or nothing can.
    void iterator.return?.().catch(() => undefined);
  }
}

function noSuchCall(path: string): ConnectError {
  const message = `There is no call ${JSON.stringify(path.slice(0, 200))} here. /openapi.yaml and gRPC's reflection tell which there are.`;
  return new ConnectError(message, Code.Unimplemented);
}

/** Why it is a call of no protocol, and what would be. */
function mistakeIn({ headers }: ClientRequest, { method }: UniversalHandler, status: number): string {
  const form = headers["content-type"]?.slice(0, 100) ?? "";
  if (status === 405) return `${method.name} is called by POST, with {} as the body where nothing is to be said.`;
  const isPlain = /^application\/(json|proto)\b/i.test(form);
  if (isPlain && method.methodKind !== "unary") {
    return `${method.name} streams, which "${form}" cannot: call it by gRPC or with "application/connect+json". What changes is told at GET /events, too.`;
  }
  const said = form === "" ? "there is none" : `it is ${JSON.stringify(form)}`;
  return `The Content-Type of this call has to be application/json, application/proto or one of gRPC's; ${said}.`;
}

/** To a person: as JSON it would be an error of Connect's, whose clients have to take the status for all that is said. */
function tell(res: ClientResponse, status: number, text: string): void {
  if (isGone(res)) return;
  res.statusCode = status;
  res.setHeader("Content-Type", "text/plain; charset=utf-8");
  res.end(`${text}\n`);
}

/** As Connect says it. */
function refuse(res: ClientResponse, status: number, { code, rawMessage: message }: ConnectError): void {
  if (isGone(res)) return;
  res.statusCode = status;
  res.setHeader("Content-Type", "application/json");
  res.end(`${JSON.stringify({ code: codeToString(code), message })}\n`);
}
