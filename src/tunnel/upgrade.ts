/**
 * A connection that leaves HTTP (a WebSocket, or anything else that asks to upgrade): once the app agrees, bytes pass in
 * both directions unread. An app that does not agree has its answer relayed like any other.
 */
import { type IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { breakOff, join } from "../base/join.ts";
import { beginAnswer } from "./answer.ts";
import { requestHeaders, responseRules, upgradeHeaders } from "./headers.ts";
import type { HttpForwarder } from "./http.ts";
import type { Passage } from "./passage.ts";
import { TunnelError, toTunnelError } from "./tunnel-error.ts";

/**
 * Whether the doors pass an upgrade to this protocol on. Not HTTP/2 in clear: behind it a client could send requests
 * that no door has seen. Such a request is answered as if it had not asked.
 */
export function mayUpgrade(protocol: string | undefined): boolean {
  return protocol !== undefined && !/(^|[\s,])(h2c?|http|tls)([/,\s]|$)/i.test(protocol);
}

/**
 * Resolves when the connection has ended. Rejects with a {@link TunnelError} as long as nothing was answered. `head` is
 * what the client sent after its request.
 */
export function forwardUpgrade(
  http: Pick<HttpForwarder, "start">,
  client: { req: IncomingMessage; socket: Duplex; head: Uint8Array },
  passage: Passage,
): Promise<void> {
  const { req, socket, head } = client;
  const upgrade = req.headers.upgrade ?? "websocket";
  const method = req.method ?? "GET";
  const headers = requestHeaders(req.rawHeaders, { method, hasBody: false }, { ...passage, upgrade });
  const gone = new AbortController();
  return new Promise((resolve, reject) => {
    const out = http.start(passage, { method, headers, client: gone });
    const onGone = (): void => {
      gone.abort();
      out.destroy();
      resolve();
    };
    const release = (): void => {
      socket.removeListener("close", onGone);
      socket.removeListener("error", ignore);
    };
    socket.once("close", onGone);
    socket.on("error", ignore);
    out.once("error", (error) => {
      release();
      if (!gone.signal.aborted) reject(toTunnelError(error));
    });
    out.once("upgrade", (answer, stream, early) => {
      release();
      socket.write(statusLine(answer) + lines(upgradeHeaders(answer.rawHeaders, responseRules(passage))));
      if (early.length > 0) socket.write(early);
      if (head.length > 0) stream.write(head);
      if (socket instanceof Socket) socket.setNoDelay(true).setTimeout(0);
      join(socket, stream).then(() => resolve(), reject);
    });
    out.once("response", (answer) => {
      release();
      relayRefusal(answer, req, socket, passage).then(resolve, reject);
    });
    out.end();
  });
}

function ignore(): void {}

function statusLine(answer: IncomingMessage): string {
  return `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`;
}

/** Values come from a strict parser, which lets no line end through. */
function lines(headers: readonly string[]): string {
  let text = "";
  for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${text}\r\n`;
}

/** The app answered instead of switching; the connection ends with its answer. */
function relayRefusal(answer: IncomingMessage, req: IncomingMessage, socket: Duplex, passage: Passage): Promise<void> {
  if (!(socket instanceof Socket)) {
    breakOff(socket, new Error("Not a socket."));
    return Promise.reject(new TunnelError("broken", "The app did not switch protocols."));
  }
  if (answer.statusCode === 101) {
    answer.destroy();
    return Promise.reject(new TunnelError("broken", "The app switched protocols without saying to which."));
  }
  return new Promise((resolve) => {
    const res = new ServerResponse(req);
    res.assignSocket(socket);
    res.shouldKeepAlive = false;
    if (!beginAnswer(answer, res, passage)) res.destroy();
    answer.once("error", (error) => breakOff(socket, error));
    answer.pipe(res);
    socket.once("close", () => {
      answer.destroy();
      resolve();
    });
    res.once("finish", () => socket.end());
  });
}
