import type { DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { Reason } from "../wire/reason.ts";
import type { IncomingRpc } from "../wire/session.ts";
import type { Stream } from "../wire/stream.ts";
import { StreamBody, writeBody } from "./body.ts";
import { boundedTimeout } from "./call-timeout.ts";
import { type Caller, callerKey, callKey } from "./caller.ts";
import { failWhatIsCutShort } from "./cut-short.ts";
import { toConnectError } from "./errors.ts";
import { baseUrl, maxMessageBytes } from "./message.ts";
import { type UnfinishedCall, UnfinishedMessages } from "./unfinished.ts";
import { validateRequests } from "./validation.ts";

export interface RpcServerOptions {
  /** Says which services there are, and what implements them. */
  routes(router: ConnectRouter): void;
  /** Services that look after the rules of their protos themselves; everybody else's requests are held to them here. */
  readonly judgingThemselves?: readonly DescService[];
  readonly interceptors?: readonly Interceptor[];
  /**
   * Calls that run at a time, over all links; 20,000 unless said. A caller may have one and a half times as many as there
   * is room left for, which is 12,000 while it is alone. Beyond it a call ends with ResourceExhausted.
   */
  readonly maxConcurrent?: number;
  /** Bytes of messages that are under way to this end, over all links; 128 MiB unless said. One caller alone may have half. */
  readonly maxUnfinishedBytes?: number;
  /** Told of defects that no caller can be told of; nothing unless said. */
  onDefect?(error: unknown, path: string): void;
}

export interface RpcServer {
  /**
   * Answers one call. Returns at once, and never throws; a cut stream aborts the handler's signal. The promise resolves
   * when the handler has ended, and never rejects: who withdraws rights knows by it what still runs. `tell` puts what else is known
   * of the call where handlers read it.
   */
  serve(incoming: IncomingRpc, caller: Caller, tell?: (values: ContextValues) => void): Promise<void>;
  /** Calls that run now. */
  readonly running: number;
  /** Bytes of messages that are under way to this end, over all callers. */
  readonly unfinishedBytes: number;
  /** Aborts the signals of all handlers, waits until they have ended, and refuses calls from now on. */
  close(): Promise<void>;
}

const defaultMaxConcurrent = 20_000;
const defaultMaxUnfinishedBytes = 128 * 1024 * 1024;
/**
 * Calls of one caller, by those that there is room left for. However many are greedy, something is left for the next one:
 * each of them leaves two fifths of what it found.
 */
const shareOfRest = 1.5;

/** The request of a call, for the gate that Connect opens when it knows the deadline. */
const bodyKey = createContextKey<StreamBody | undefined>(undefined);

/** Serves calls that come as streams, with gRPC's semantics, to handlers that Connect routes. */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  let stopping: ConnectError | undefined;
  const router = createConnectRouter({
    interceptors: [
      failWhatIsCutShort(),
      validateRequests(options.judgingThemselves ?? []),
      ...(options.interceptors ?? []),
    ],
    connect: false,
    grpcWeb: false,
    acceptCompression: [],
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
    // A request that does not come to its end must not keep a call beyond its deadline.
    requestGate: ({ signal, values }) => values.get(bodyKey)?.stopBy(signal),
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const maxConcurrent = options.maxConcurrent ?? defaultMaxConcurrent;
  const unfinished = new UnfinishedMessages(options.maxUnfinishedBytes ?? defaultMaxUnfinishedBytes);
  /** By fingerprint. */
  const perCaller = new Map<string, number>();
  // A signal for each call, not one for all: to listen costs time for each that listens already.
  const running = new Map<Promise<void>, AbortController>();

  function isFull({ fingerprint }: Caller): boolean {
    return (perCaller.get(fingerprint) ?? 0) >= shareOfRest * (maxConcurrent - running.size);
  }

  function count({ fingerprint }: Caller, change: 1 | -1): void {
    const calls = (perCaller.get(fingerprint) ?? 0) + change;
    if (calls > 0) perCaller.set(fingerprint, calls);
    else perCaller.delete(fingerprint);
  }

  return {
    serve(incoming, caller, tell) {
      const { path, stream } = incoming;
      const handler = handlers.get(path);
      if (stopping !== undefined) {
        refuse(stream, stopping);
      } else if (isFull(caller)) {
        refuse(stream, new ConnectError("Too many calls run here already.", Code.ResourceExhausted));
      } else if (handler === undefined) {
        refuse(stream, new ConnectError(`This agent has no method ${path}.`, Code.Unimplemented));
      } else {
        const abort = new AbortController();
        const message = unfinished.call(caller.fingerprint);
        const call = answer(handler, incoming, caller, abort, message, tell)
          .catch((error: unknown) => settle(stream, error, (defect) => options.onDefect?.(defect, path)))
          .finally(() => {
            message.end();
            running.delete(call);
            count(caller, -1);
          });
        running.set(call, abort);
        count(caller, 1);
        return call;
      }
      return Promise.resolve();
    },
    get running() {
      return running.size;
    },
    get unfinishedBytes() {
      return unfinished.bytes;
    },
    async close() {
      stopping = new ConnectError("This agent is stopping.", Code.Unavailable);
      for (const abort of running.values()) abort.abort(stopping);
      await Promise.allSettled(running.keys());
    },
  };
}

async function answer(
  handler: UniversalHandler,
  incoming: IncomingRpc,
  caller: Caller,
  abort: AbortController,
  message: UnfinishedCall,
  tell: ((values: ContextValues) => void) | undefined,
): Promise<void> {
  const { stream, path, headers } = incoming;
  const timeout = boundedTimeout(headers.get("grpc-timeout"));
  if (timeout !== undefined) headers.set("grpc-timeout", timeout);
  const body = new StreamBody(stream, { cut: (error) => abort.abort(toConnectError(error)) });
  const contextValues = createContextValues()
    .set(callerKey, caller)
    .set(bodyKey, body)
    .set(callKey, { cut: (reason, said) => stream.reset(reason, said) });
  tell?.(contextValues);
  const response = await handler({
    httpVersion: "2.0",
    method: "POST",
    url: baseUrl + path,
    header: headers,
    body: message.meter(body),
    signal: abort.signal,
    contextValues,
  });
  stream.sendHead(response.status, response.header);
  if (response.body !== undefined) await writeBody(stream, response.body);
  stream.end(response.trailer);
  // What was not read of the request by now, nobody will read; without this it would be kept for them.
  await body.return();
}

/** A cut stream has nobody left to answer; anything else is a defect, and the caller must not wait for ever. */
function settle(stream: Stream, error: unknown, onDefect: (error: unknown) => void): void {
  if (stream.cut !== undefined) return;
  onDefect(error);
  stream.reset(Reason.INTERNAL, "The answer could not be made; the log of that agent says more.", error);
}

/** A call's answer without any handler: gRPC's "trailers only". */
function refuse(stream: Stream, error: ConnectError): void {
  // What the caller sends all the same is thrown away.
  void new StreamBody(stream).return();
  stream.sendHead(200, new Headers({ "content-type": "application/grpc+proto" }));
  stream.end(new Headers({ "grpc-status": String(error.code), "grpc-message": encodeURIComponent(error.rawMessage) }));
}
