/**
 * A request that came to a door goes to an app, and its answer back, as Node parses and writes them: both bodies stream,
 * the first byte goes when it comes, whoever goes away takes the other end along, and an answer that breaks looks broken.
 */
import { type IncomingMessage, type ClientRequest as OutgoingRequest, type RequestOptions, request } from "node:http";
import type { Clock } from "../base/clock.ts";
import { beginAnswer } from "./answer.ts";
import { AppAgent, type AppAgentDeps, AppRoute, type RoutedRequest } from "./app-agent.ts";
import { ClientGone } from "./client-gone.ts";
import {
  addTrailers,
  type ClientRequest,
  type ClientResponse,
  endEarly,
  hasBody,
  isWhole,
  sendInformation,
  whenWritten,
} from "./client-side.ts";
import { createH2cForwarder } from "./h2c.ts";
import { requestHeaders, trailerPairs } from "./headers.ts";
import type { Passage } from "./passage.ts";
import { TunnelError, toTunnelError } from "./tunnel-error.ts";

export interface HttpForwarder {
  /**
   * Resolves when the answer has gone out whole, or when the client has gone. Rejects with a {@link TunnelError} as long
   * as nothing of an answer was sent, so that the door can still explain; after that a failure breaks the answer off.
   */
  forward(req: ClientRequest, res: ClientResponse, passage: Passage): Promise<void>;
  /** Starts a request without a pooled connection, for an upgrade. Throws a {@link TunnelError} when there were too many. */
  start(passage: Passage, options: Started): OutgoingRequest;
  close(): void;
}

export interface Started {
  readonly method: string;
  readonly headers: string[];
  /** Aborts the dial when the client has gone. */
  readonly client: { readonly signal: AbortSignal };
}

/** For what an app still takes of a request that it has answered, in milliseconds. */
const lingerMs = 5_000;

/** Requests that may be sent twice (RFC 9110, 9.2.2) and have no body to lose. */
const repeatable = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

export function createHttpForwarder(deps: AppAgentDeps): HttpForwarder {
  const pooled = new AppAgent(deps, true);
  const single = new AppAgent(deps, false);
  const h2c = createH2cForwarder(deps);

  function start(agent: AppAgent, passage: Passage, o: Started) {
    const route = new AppRoute(passage, o.client);
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

  function take({ destination }: Passage): void {
    const refused = deps.rates.take(destination.peer);
    if (refused !== undefined) throw new TunnelError("limited", refused);
  }

  async function forward(req: ClientRequest, res: ClientResponse, passage: Passage): Promise<void> {
    take(passage);
    if (passage.scheme === "h2c") return h2c.forward(req, res, passage);
    const method = req.method ?? "GET";
    const headers = requestHeaders(req.rawHeaders, { method, hasBody: hasBody(req) }, passage);
    const client = new ClientGone(res);
    if (client.gone) return; // While the door looked who it is.
    const first = start(pooled, passage, { method, headers, client });
    first.once("socket", (stream) => pooled.watch(stream));
    try {
      await exchange(req, res, first, passage, deps.clock, client);
    } catch (error) {
      const again = repeatable.has(method) && !hasBody(req);
      if (!again || !first.reusedSocket || res.headersSent || client.gone) throw error;
      // The app ended the idle connection while the request was on its way: it never saw it.
      const second = start(single, passage, { method, headers, client });
      await exchange(req, res, second, passage, deps.clock, client);
    } finally {
      client.release();
    }
  }

  return {
    forward,
    start(passage, options) {
      take(passage);
      return start(single, passage, options);
    },
    close() {
      pooled.destroy();
      single.destroy();
      h2c.close();
    },
  };
}

/** One request to the app and its answer to the client. */
function exchange(
  req: ClientRequest,
  res: ClientResponse,
  out: OutgoingRequest,
  passage: Passage,
  clock: Clock,
  client: ClientGone,
): Promise<void> {
  return new Promise((resolve, reject) => {
    client.whenGone(() => {
      out.destroy();
      resolve();
    });
    const settle = (error?: TunnelError): void => {
      if (error) {
        reject(error);
        return;
      }
      client.release();
      resolve();
    };

    out.on("error", (cause) => {
      if (client.gone) return;
      stopBody(req, out);
      if (!res.headersSent) settle(toTunnelError(cause));
      // Once there is an answer, its own end or break says the rest.
    });
    out.once("continue", () => {
      if (req.headers.expect !== undefined && !res.headersSent) res.writeContinue();
    });
    out.on("information", ({ statusCode, headers }) => sendInformation(res, statusCode, headers.link));
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
        if (isWhole(req)) return letGo(out, clock);
        req.unpipe(out);
        out.destroy();
        endEarly(req, clock);
      });
    });
    sendBody(req, out);
  });
}

/** An app that has answered may still read what is left of the request, for a moment. */
function letGo(out: OutgoingRequest, clock: Clock): void {
  if (out.writableFinished || out.destroyed) return;
  const cut = clock.after(lingerMs, () => out.destroy());
  cut.unref?.();
  for (const over of ["finish", "close"]) out.once(over, () => cut.cancel());
}

function sendBody(req: ClientRequest, out: OutgoingRequest): void {
  if (!hasBody(req)) {
    out.end();
    return;
  }
  req.pipe(out, { end: false });
  req.once("end", () => {
    if (!isWhole(req)) return void out.destroy();
    if (req.rawTrailers.length > 0) out.addTrailers(trailerPairs(req.rawTrailers));
    out.end();
  });
}

function stopBody(req: ClientRequest, out: OutgoingRequest): void {
  req.unpipe(out);
  req.resume();
}

function relayBody(answer: IncomingMessage, res: ClientResponse, done: () => void): void {
  whenWritten(res, done);
  answer.once("end", () => {
    // A connection that broke ends its message too, but not completely.
    if (!answer.complete) return;
    addTrailers(res, trailerPairs(answer.rawTrailers));
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
