/**
 * A request that came to a door goes to an app, and its answer back, as Node parses and writes them: both bodies stream,
 * the first byte goes when it comes, whoever goes away takes the other end along, and an answer that breaks looks broken.
 */
import { type ClientRequest, type IncomingMessage, type RequestOptions, request, type ServerResponse } from "node:http";
import type { Clock } from "../base/clock.ts";
import { beginAnswer, sendInformation } from "./answer.ts";
import { AppAgent, type AppAgentDeps, AppRoute, type RoutedRequest } from "./app-agent.ts";
import { createH2cForwarder } from "./h2c.ts";
import { requestHeaders, trailerPairs } from "./headers.ts";
import { hasBody, type Passage } from "./passage.ts";
import { TunnelError, toTunnelError } from "./tunnel-error.ts";

export interface HttpForwarder {
  /**
   * Resolves when the answer has gone out whole, or when the client has gone. Rejects with a {@link TunnelError} as long
   * as nothing of an answer was sent, so that the door can still explain; after that a failure breaks the answer off.
   */
  forward(req: IncomingMessage, res: ServerResponse, passage: Passage): Promise<void>;
  /** Starts a request without a pooled connection, for an upgrade. */
  start(passage: Passage, options: { method: string; headers: string[]; signal: AbortSignal }): ClientRequest;
  close(): void;
}

/** After an answer that came before its request had ended, the client may go on for so long before it is cut. */
const lingerMs = 5_000;

/** Requests that may be sent twice (RFC 9110, 9.2.2) and have no body to lose. */
const repeatable = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

export function createHttpForwarder(deps: AppAgentDeps): HttpForwarder {
  const pooled = new AppAgent(deps, true);
  const single = new AppAgent(deps, false);
  const h2c = createH2cForwarder(deps);

  function start(agent: AppAgent, passage: Passage, o: { method: string; headers: string[]; signal: AbortSignal }) {
    const route = new AppRoute(passage.destination, passage.scheme === "https", o.signal);
    const options: RoutedRequest & RequestOptions = {
      agent,
      route,
      method: o.method,
      path: passage.path,
      headers: o.headers,
      setHost: false,
    };
    return request(options);
  }

  async function forward(req: IncomingMessage, res: ServerResponse, passage: Passage): Promise<void> {
    if (passage.scheme === "h2c") return h2c.forward(req, res, passage);
    const method = req.method ?? "GET";
    const headers = requestHeaders(req.rawHeaders, method, passage);
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    res.once("close", onClose);
    try {
      const first = start(pooled, passage, { method, headers, signal: gone.signal });
      const again = repeatable.has(method) && !hasBody(req);
      await exchange(req, res, first, passage, deps.clock, gone.signal).catch((error: unknown) => {
        if (!again || !first.reusedSocket || res.headersSent || gone.signal.aborted) throw error;
        // The app ended the idle connection while the request was on its way: it never saw it.
        const second = start(single, passage, { method, headers, signal: gone.signal });
        return exchange(req, res, second, passage, deps.clock, gone.signal);
      });
    } finally {
      res.removeListener("close", onClose);
    }
  }

  return {
    forward,
    start: (passage, options) => start(single, passage, options),
    close() {
      pooled.destroy();
      single.destroy();
      h2c.close();
    },
  };
}

/** One request to the app and its answer to the client. */
function exchange(
  req: IncomingMessage,
  res: ServerResponse,
  out: ClientRequest,
  passage: Passage,
  clock: Clock,
  gone: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      out.destroy();
      resolve();
    };
    gone.addEventListener("abort", giveUp, { once: true });
    const settle = (error?: TunnelError): void => {
      gone.removeEventListener("abort", giveUp);
      if (error) reject(error);
      else resolve();
    };

    out.on("error", (cause) => {
      if (gone.aborted) return;
      stopBody(req, out);
      if (!res.headersSent) settle(toTunnelError(cause));
      // Once there is an answer, its own end or break says the rest.
    });
    out.once("continue", () => {
      if (req.headers.expect !== undefined && !res.headersSent) res.writeContinue();
    });
    out.on("information", (info) => sendInformation(res, info));
    out.on("upgrade", (_answer, stream) => {
      stream.destroy();
      settle(new TunnelError("broken", "The app switched protocols without being asked to."));
    });
    out.on("response", (answer) => {
      if (!beginAnswer(answer, res, passage)) {
        out.destroy();
        settle(new TunnelError("broken", "The app's answer cannot be understood."));
        return;
      }
      relayBody(answer, res, () => {
        settle();
        if (!req.complete) lingerAfterAnswer(req, out, clock);
      });
    });
    sendBody(req, out);
  });
}

function sendBody(req: IncomingMessage, out: ClientRequest): void {
  if (!hasBody(req)) {
    out.end();
    return;
  }
  req.pipe(out, { end: false });
  req.once("end", () => {
    if (req.rawTrailers.length > 0) out.addTrailers(trailerPairs(req.rawTrailers));
    out.end();
  });
}

function stopBody(req: IncomingMessage, out: ClientRequest): void {
  req.unpipe(out);
  req.resume();
}

function relayBody(answer: IncomingMessage, res: ServerResponse, done: () => void): void {
  res.once("finish", done);
  answer.once("end", () => {
    // A connection that broke ends its message too, but not completely.
    if (!answer.complete) return;
    if (answer.rawTrailers.length > 0) res.addTrailers(trailerPairs(answer.rawTrailers));
    res.end();
  });
  answer.once("close", () => {
    if (answer.complete) return;
    res.destroy(new Error("The app broke its answer off."));
    done();
  });
  answer.on("error", () => undefined);
  answer.pipe(res, { end: false });
}

/** A client that still sends may not read the answer first, so it is heard out for a while, and then cut. */
function lingerAfterAnswer(req: IncomingMessage, out: ClientRequest, clock: Clock): void {
  stopBody(req, out);
  out.destroy();
  const cut = clock.after(lingerMs, () => req.socket.destroy());
  cut.unref?.();
  req.once("end", () => cut.cancel());
  req.once("close", () => cut.cancel());
}
