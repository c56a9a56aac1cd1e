/**
 * Requests to an app that speaks HTTP/2 in clear (`appProtocol: h2c`): one session over one dialled stream an app, kept as
 * long as it is used. The client's side stays as it came.
 */
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from "node:http2";
import { abortable, startDeadline } from "../base/abort.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { beginAnswer } from "./answer.ts";
import { type AppAgentDeps, destinationKey, paced } from "./app-agent.ts";
import {
  addTrailers,
  type ClientRequest,
  type ClientResponse,
  endEarly,
  groupHeaders,
  hasBody,
  isGone,
  isWhole,
  sendInformation,
  whenWritten,
} from "./client-side.ts";
import { pairs, requestHeaders, trailerPairs } from "./headers.ts";
import type { Passage } from "./passage.ts";
import { TunnelError, toTunnelError } from "./tunnel-error.ts";

export interface H2cForwarder {
  /** As `HttpForwarder.forward`. */
  forward(req: ClientRequest, res: ClientResponse, passage: Passage): Promise<void>;
  close(): void;
}

/** Bytes that the app may send ahead of the reader, of one answer and of all of a session together. */
const streamWindow = 256 * 1024;
const sessionWindow = 1024 * 1024;

interface Held {
  readonly session: Promise<ClientHttp2Session>;
  requests: number;
  idle?: Timer;
}

export function createH2cForwarder(deps: AppAgentDeps): H2cForwarder {
  const sessions = new Map<string, Held>();

  function hold(passage: Passage): Held {
    const key = `${passage.rate !== undefined} ${destinationKey(passage.destination)}`;
    const known = sessions.get(key);
    if (known) return known;
    const forget = (): void => {
      held.idle?.cancel();
      if (sessions.get(key) === held) sessions.delete(key);
    };
    const held: Held = { session: openSession(deps, passage, forget), requests: 0 };
    held.session.catch(forget);
    sessions.set(key, held);
    return held;
  }

  function release(held: Held): void {
    held.requests -= 1;
    if (held.requests > 0) return;
    held.idle = deps.clock.after(deps.idleMs ?? 1_000, () => {
      held.session.then(
        (session) => session.close(),
        () => undefined,
      );
    });
    held.idle.unref?.();
  }

  return {
    async forward(req, res, passage) {
      const held = hold(passage);
      held.idle?.cancel();
      held.requests += 1;
      try {
        const session = await held.session;
        if (isGone(res)) return;
        await exchange(session, req, res, passage, deps.clock);
      } catch (error) {
        throw toTunnelError(error);
      } finally {
        release(held);
      }
    },
    close() {
      for (const { session } of sessions.values()) {
        session.then(
          (open) => open.destroy(),
          () => undefined,
        );
      }
    },
  };
}

/** A peer that does not answer must not hold up all later requests, which would wait for the same connection. Milliseconds. */
const connectMs = 20_000;

/** `forget` is called as soon as the session takes no more requests. */
async function openSession(deps: AppAgentDeps, passage: Passage, forget: () => void): Promise<ClientHttp2Session> {
  const late = (): TunnelError => new TunnelError("timeout", `The app was not reached within ${connectMs / 1000} s.`);
  const deadline = startDeadline(deps.clock, connectMs, late);
  try {
    const dialled = await abortable(deps.dial(passage.destination, deadline.signal), deadline.signal);
    const stream = paced(dialled, [passage.rate, deps.rates.bytes(passage.destination.peer)]);
    return await new Promise((resolve, reject) => {
      const session = connect("http://app", {
        createConnection: () => stream,
        settings: { enablePush: false, initialWindowSize: streamWindow },
      });
      session.on("error", reject);
      session.once("goaway", forget);
      session.once("close", () => {
        forget();
        reject(new TunnelError("broken", "The app ended the connection before it stood."));
      });
      session.once("connect", () => {
        session.setLocalWindowSize(sessionWindow);
        resolve(session);
      });
    });
  } finally {
    deadline.cancel();
  }
}

function exchange(
  session: ClientHttp2Session,
  req: ClientRequest,
  res: ClientResponse,
  passage: Passage,
  clock: Clock,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = hasBody(req);
    const out = session.request(http2Headers(req, passage), { endStream: !body, waitForTrailers: body });
    const onGone = (): void => {
      out.close(constants.NGHTTP2_CANCEL);
      resolve();
    };
    res.once("close", onGone);
    const settle = (error?: TunnelError): void => {
      res.removeListener("close", onGone);
      req.unpipe(out);
      if (error && !res.headersSent) reject(error);
      else if (error) res.destroy(error);
      else if (!isWhole(req)) whenWritten(res, () => endEarly(req, clock));
      resolve();
    };
    let failure: Error | undefined;
    let ended = false;
    let trailers: string[] = [];
    out.on("error", (error) => {
      failure = error;
    });
    out.on("headers", ({ ":status": status = 0, link }) => sendInformation(res, status, link));
    out.once("response", (_headers, flags, raw) => {
      const status = Number(pairs(raw).find(([name]) => name === ":status")?.[1]);
      const ends = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      if (beginAnswer({ statusCode: status, statusMessage: "", rawHeaders: raw }, res, passage, ends)) {
        out.pipe(res, { end: false }); // Not before: data may come first.
      } else {
        out.close(constants.NGHTTP2_CANCEL);
      }
    });
    out.on("trailers", (_headers, _flags, raw?: string[]) => {
      trailers = raw ?? [];
    });
    out.once("end", () => {
      ended = true;
      if (!out.writableEnded) out.close(constants.NGHTTP2_NO_ERROR); // The app has said all; what is still sent is lost on it.
    });
    out.once("close", () => {
      // A reset ends the reading side, too, before it says so; only an answer without one is whole.
      if (!ended || failure || out.rstCode !== constants.NGHTTP2_NO_ERROR || !res.headersSent) {
        settle(toTunnelError(failure ?? new TunnelError("broken", "The app broke its answer off.")));
        return;
      }
      addTrailers(res, trailerPairs(trailers));
      res.end();
      settle();
    });
    out.on("wantTrailers", () => {
      if (!out.closed && !out.destroyed) out.sendTrailers(http2Trailers(req.rawTrailers));
    });
    if (!body) return;
    // The app's own word about it does not come by every server, and its client may wait for it.
    if (req.headers.expect !== undefined) res.writeContinue();
    req.pipe(out, { end: false });
    req.once("end", () => {
      if (isWhole(req)) out.end();
      else out.close(constants.NGHTTP2_CANCEL);
    });
  });
}

/** Of HTTP/1.1 there stays what HTTP/2 says in its own way. */
function http2Headers(req: ClientRequest, passage: Passage): OutgoingHttpHeaders {
  const method = req.method ?? "GET";
  const headers = groupHeaders(requestHeaders(req.rawHeaders, { method, hasBody: hasBody(req) }, passage));
  for (const name of ["host", "transfer-encoding", "expect"]) delete headers[name];
  const pseudo = { ":method": method, ":path": passage.path, ":scheme": "http", ":authority": passage.arrival.host };
  return { ...pseudo, ...headers };
}

/** A client may send any trailers; one that HTTP/2 has no place for would end more than its request. */
function http2Trailers(raw: readonly string[]): OutgoingHttpHeaders {
  const trailers = Object.entries(groupHeaders(trailerPairs(raw).flat()));
  return Object.fromEntries(trailers.map(([name, values]) => [name, [values].flat().join(", ")]));
}
