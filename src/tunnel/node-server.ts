/**
 * Answers `GET` and `HEAD` of what a kubelet tells, on streams of peers. Nothing of a request goes on but which of a few paths is meant and in
 * what form the answer is liked; so nothing that a kubelet does can be asked for, whatever somebody writes.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { serveOnStreams } from "../base/http-on-streams.ts";
import { KubeError } from "../kube/errors.ts";
import type { Kubelets } from "../kube/kubelets.ts";
import type { KubeletPlace } from "../kube/node-list.ts";
import type { ApiAnswer } from "../kube/requests.ts";
import type { ExitCaller } from "./exit-caller.ts";
import { readNodePath } from "./node-paths.ts";

/** Whose a stream is, and where what it asks for is at this moment. */
export interface NodeServed {
  readonly caller: ExitCaller;
  /** Rejects only when the signal aborts. */
  find(
    signal: AbortSignal,
  ): Promise<{ readonly ok: true; readonly place: KubeletPlace } | { readonly ok: false; readonly message: string }>;
}

export interface NodeServer {
  /** Resolves when the stream is over. */
  serve(served: NodeServed, stream: Duplex, signal: AbortSignal): Promise<void>;
}

/** Of a connection that is kept between two scrapes, in milliseconds. */
const idleMs = 90_000;
/** Requests of one peer under way: to tell all of a node costs its kubelet something. */
const mostAtOnce = 8;

export interface NodeServerDeps {
  readonly kubelets: Pick<Kubelets, "get">;
  readonly clock: Clock;
  /** From the request until the last byte has left, in milliseconds; 60,000 unless given. */
  readonly answerMs?: number;
  /** Of one answer; 64 MiB unless given. A node with hundreds of pods tells some megabytes. */
  readonly mostBytes?: number;
}

export function createNodeServer(deps: NodeServerDeps): NodeServer {
  const { kubelets, clock, answerMs = 60_000, mostBytes = 64 * 1024 * 1024 } = deps;
  const known = new WeakMap<Duplex, NodeServed>();
  /** By fingerprint. */
  const underWay = new Map<string, number>();
  const server = createServer({ maxHeaderSize: 8_192 }, (request, response) => {
    request.resume(); // A body, if there is one, is of no interest.
    answer(request, response).catch(() => response.destroy());
  });
  const streams = serveOnStreams(server, { clock, idleMs });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const served = known.get(request.socket);
    if (!served) throw new Error("Nobody knows whose this stream is.");
    const { method, url = "" } = request;
    if (method !== "GET" && method !== "HEAD") {
      return say(response, 405, "Only GET and HEAD are answered here.", { allow: "GET, HEAD" });
    }
    const read = readNodePath(url);
    if (!read.ok) return say(response, read.status, read.message);
    const { fingerprint } = served.caller;
    const before = underWay.get(fingerprint) ?? 0;
    if (before >= mostAtOnce) {
      return say(response, 429, `No more than ${mostAtOnce} requests of a peer are under way.`, { "retry-after": "1" });
    }
    underWay.set(fingerprint, before + 1);
    try {
      await pass(served, read.path, request, response);
    } finally {
      const left = (underWay.get(fingerprint) ?? 1) - 1;
      if (left > 0) underWay.set(fingerprint, left);
      else underWay.delete(fingerprint);
    }
  }

  async function pass(
    served: NodeServed,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort(new Error("Who asked is gone.")));
    const tooLate = () => new KubeError({ status: 0, reason: "TimedOut", message: "The kubelet was too slow." });
    const deadline = startDeadline(clock, answerMs, tooLate, gone.signal);
    const { signal } = deadline;
    try {
      const found = await served.find(signal);
      if (!found.ok) return say(response, 502, found.message);
      const told = await kubelets.get(found.place, { path, headers: wishes(request) }, signal);
      const trouble = troubleWith(told.status);
      if (trouble !== undefined) {
        told.body.destroy();
        return say(response, 502, trouble);
      }
      await send(told, request, response, signal);
    } catch (error) {
      if (response.headersSent || gone.signal.aborted) throw error;
      const [status, message] = explain(error);
      say(response, status, message);
    } finally {
      deadline.cancel();
    }
  }

  async function send(
    told: ApiAnswer,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const { body, headers, status } = told;
    const passed = ["content-type", "content-encoding", "content-length"].flatMap((name) => {
      const value = headers[name];
      return typeof value === "string" ? [[name, value] as const] : [];
    });
    response.writeHead(status, { ...Object.fromEntries(passed), "cache-control": "no-store" });
    if (request.method === "HEAD") {
      // Of a kubelet HEAD is asked by no right, so that its GET is broken off.
      body.destroy();
      response.end();
      return;
    }
    await pipeline(body, (chunks: AsyncIterable<Buffer>) => upTo(mostBytes, chunks), response, {
      signal,
    });
  }

  return {
    serve(served, stream, signal) {
      known.set(stream, served);
      return streams.serve(stream, signal);
    },
  };
}

/** What goes on of a request. */
function wishes({ headers }: IncomingMessage): Record<string, string> {
  const encoding = headers["accept-encoding"];
  return {
    ...(headers.accept !== undefined && { accept: headers.accept }),
    ...(typeof encoding === "string" && { "accept-encoding": encoding }),
  };
}

/** An answer that is longer breaks off, and looks broken. */
async function* upTo(most: number, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > most) throw new Error(`The kubelet tells more than ${most} bytes.`);
    yield chunk;
  }
}

/** What a kubelet says of itself is told as it is, that it is not well too; undefined for that. */
function troubleWith(status: number): string | undefined {
  if (status === 200 || status === 500 || status === 503) return undefined;
  if (status === 401) return "The kubelet does not take the token of the peer's agent.";
  if (status === 403) {
    return "The kubelet does not let the peer's agent read this: the agent's ServiceAccount for nodes lacks the right (docs/rbac.md), or the kubelet is older than Kubernetes 1.33 and knows none for this alone.";
  }
  return `The kubelet answers this with HTTP status ${status}.`;
}

/** What the caller may know, who may reach the node; no addresses, and not the words of others. */
function explain(error: unknown): [status: number, message: string] {
  const reason = error instanceof KubeError ? error.reason : "";
  if (reason === "TimedOut") return [504, "The kubelet does not answer in time."];
  if (reason === "Untrusted") {
    return [
      502,
      "The kubelet's certificate does not verify: whoever runs the peer's agent can name its CA (nodes.caFile, docs/configuration.md).",
    ];
  }
  if (reason === "NoToken") {
    return [
      502,
      'The peer\'s agent gets no token for kubelets; whoever runs it can grant that (docs/rbac.md, "Where peers read kubelets").',
    ];
  }
  return [502, "The kubelet cannot be reached by the peer's agent."];
}

function say(
  response: ServerResponse,
  status: number,
  message: string,
  more: Readonly<Record<string, string>> = {},
): void {
  const body = `${message}\n`;
  const headers = { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(body) };
  response.writeHead(status, { ...headers, "cache-control": "no-store", ...more });
  response.end(body);
}
