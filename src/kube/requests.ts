/**
 * HTTP to one API server, over connections that are kept. Every request has a time limit of its own or a signal, every
 * answer a bound, and whatever ends early takes its connection with it.
 */
import http, { type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import https, { type RequestOptions } from "node:https";
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import { type Attempt, fromAnswer, fromTransport, KubeError, timedOut } from "./errors.ts";
import type { JsonObject } from "./object.ts";

/** The longest answer that is read whole, in bytes. A page of 500 large objects stays well below. */
const maxAnswerBytes = 128 * 1024 * 1024;
/** What is read of an answer that says what went wrong, in bytes. */
const maxErrorBytes = 64 * 1024;

export interface Endpoint {
  /** The API server's address. A path in it is put before each request's. */
  server: URL;
  /** TLS settings and credentials for the next request, read anew for each because they rotate. */
  options(): Promise<RequestOptions>;
}

export interface ApiRequest {
  method: string;
  /** With the leading slash, without the query. */
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: JsonObject | undefined;
  /** application/json unless given. */
  contentType?: string;
  accept?: string;
  headers?: Record<string, string>;
  /** What is tried, for messages, such as `get Pod default/web`; method and path unless given. */
  what?: string;
}

export interface ApiAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  /** The body as it comes. Destroying it ends the request. */
  body: IncomingMessage;
}

export interface Requests {
  /** The answer whatever its status, when its head has come. Aborting ends the request and the body with the signal's reason. */
  send(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer>;
  /** As `send`, but an answer other than 2xx throws a `KubeError`. */
  open(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer>;
  /** The whole answer as JSON, within 30 seconds. An answer other than 2xx throws a `KubeError`. */
  json(request: ApiRequest, signal: AbortSignal): Promise<unknown>;
  /** Ends idle connections; requests under way run on. */
  close(): void;
}

/** `timeoutMs` bounds `json`, and the head of the answer in `send` and `open`; 30,000 unless given. */
export function createRequests(deps: { endpoint: Endpoint; clock: Clock; timeoutMs?: number }): Requests {
  const { endpoint, clock } = deps;
  const timeoutMs = deps.timeoutMs ?? 30_000;
  const secure = endpoint.server.protocol === "https:";
  // Watches hold a connection each, so the number of sockets is bounded by what the program does, not here.
  const keepAlive = { keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 16, scheduling: "lifo" as const };
  const agent = secure ? new https.Agent(keepAlive) : new http.Agent(keepAlive);

  async function send(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> {
    const attempt = describe(request);
    const deadline = startDeadline(clock, timeoutMs, () => timedOut(attempt, timeoutMs), signal);
    try {
      const answer = await exchange(request, attempt, deadline.signal, true);
      endWith(answer.body, signal);
      return answer;
    } finally {
      deadline.cancel();
    }
  }

  async function exchange(
    request: ApiRequest,
    attempt: Attempt,
    signal: AbortSignal,
    mayRepeat: boolean,
  ): Promise<ApiAnswer> {
    signal.throwIfAborted();
    const options = await credentials(attempt);
    signal.throwIfAborted();
    try {
      return await roundTrip(request, options, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      // The server may close a kept connection in the very moment that a request leaves on it. Nothing was answered, and
      // a fresh connection tells the truth; only requests that change nothing are sent again.
      if (mayRepeat && isStaleConnection(error) && request.method === "GET") {
        return exchange(request, attempt, signal, false);
      }
      throw fromTransport(attempt, error instanceof StaleConnection ? error.cause : error);
    }
  }

  async function credentials(attempt: Attempt): Promise<RequestOptions> {
    try {
      return await endpoint.options();
    } catch (cause) {
      const why = errorText(cause);
      throw new KubeError(
        { status: 0, reason: "NoCredentials", message: `Could not ${attempt.what}: no credentials (${why}).` },
        { cause },
      );
    }
  }

  function roundTrip(request: ApiRequest, options: RequestOptions, signal: AbortSignal): Promise<ApiAnswer> {
    const payload = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    return new Promise((resolve, reject) => {
      const outgoing = (secure ? https : http).request({
        ...options,
        agent: options.agent ?? agent,
        protocol: endpoint.server.protocol,
        hostname: endpoint.server.hostname.replace(/^\[|\]$/g, ""),
        port: endpoint.server.port,
        method: request.method,
        path: pathOf(endpoint.server, request),
        headers: {
          ...options.headers,
          accept: request.accept ?? "application/json",
          "user-agent": "fairlead",
          ...(payload ? { "content-type": request.contentType ?? "application/json" } : {}),
          ...(payload ? { "content-length": payload.byteLength } : {}),
          ...request.headers,
        },
      });
      const onAbort = (): void => {
        outgoing.destroy();
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      outgoing.on("error", (error) => {
        signal.removeEventListener("abort", onAbort);
        reject(outgoing.reusedSocket ? new StaleConnection(error) : error);
      });
      outgoing.on("socket", (socket) => socket.setNoDelay(true));
      outgoing.on("response", (body) => {
        signal.removeEventListener("abort", onAbort);
        body.on("error", () => undefined); // Whoever reads the body hears of it too; nobody else needs to.
        resolve({ status: body.statusCode ?? 0, headers: body.headers, body });
      });
      outgoing.end(payload);
    });
  }

  async function open(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> {
    const answer = await send(request, signal);
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw await refusal(describe(request), answer);
  }

  function describe(request: ApiRequest): Attempt {
    return { what: request.what ?? `${request.method} ${request.path}`, server: endpoint.server.origin };
  }

  return {
    send,
    open,
    async json(request, signal) {
      const attempt = describe(request);
      const deadline = startDeadline(clock, timeoutMs, () => timedOut(attempt, timeoutMs), signal);
      try {
        const answer = await open(request, deadline.signal);
        return parse(attempt, await readAll(attempt, answer.body, maxAnswerBytes, deadline.signal));
      } finally {
        deadline.cancel();
      }
    },
    close: () => agent.destroy(),
  };
}

/** A failure on a connection that had served before. */
class StaleConnection extends Error {
  constructor(cause: Error) {
    super("The kept connection was gone.", { cause });
  }
}

function isStaleConnection(error: unknown): boolean {
  return error instanceof StaleConnection;
}

function pathOf(server: URL, request: ApiRequest): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) query.set(name, String(value));
  }
  const prefix = server.pathname.replace(/\/$/, "");
  return query.size > 0 ? `${prefix}${request.path}?${query}` : `${prefix}${request.path}`;
}

function endWith(body: IncomingMessage, signal: AbortSignal): void {
  const onAbort = (): void => {
    body.destroy(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
  };
  if (signal.aborted) onAbort();
  else {
    signal.addEventListener("abort", onAbort, { once: true });
    body.once("close", () => signal.removeEventListener("abort", onAbort));
  }
}

async function refusal(attempt: Attempt, answer: ApiAnswer): Promise<KubeError> {
  let text = "";
  try {
    for await (const chunk of answer.body) {
      text += chunk;
      if (text.length > maxErrorBytes) break;
    }
  } catch {
    // What came so far has to do: the status alone says that it was refused.
  }
  return fromAnswer(attempt, answer.status, text, answer.headers["retry-after"]);
}

async function readAll(attempt: Attempt, body: IncomingMessage, limit: number, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > limit) break;
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw fromTransport(attempt, error);
  }
  if (size <= limit) return Buffer.concat(chunks);
  const message = `Could not ${attempt.what}: the answer is longer than ${limit} bytes.`;
  throw new KubeError({ status: 0, reason: "TooLarge", message });
}

function parse(attempt: Attempt, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    const message = `Could not ${attempt.what}: ${attempt.server} answered with something else than JSON. Is it a Kubernetes API server?`;
    throw new KubeError({ status: 0, reason: "Garbled", message }, { cause });
  }
}
