/** Opens and accepts WebSockets, and hands them over as streams of bytes. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { errorText } from "../base/error-text.ts";
import { LinkError } from "./error.ts";
import { maxMessageBytes } from "./messages.ts";
import { WebSocketStream } from "./websocket-stream.ts";

/** What both ends hold a WebSocket to. The payload is TLS: it does not shrink, and is checked in one piece by itself. */
const limits = {
  perMessageDeflate: false,
  skipUTF8Validation: true,
  maxPayload: maxMessageBytes,
  /** Of one message. Honest ends do not fragment; what stands between them might. */
  maxFragments: 16,
  /** Pieces of an unfinished message. A path with the smallest packets that are usual cuts 64 KiB into about 120. */
  maxBufferedChunks: 1024,
  maxPendingAutoPongs: 4,
  /** How long the other end may take to answer a close frame, in milliseconds. */
  closeTimeout: 2_000,
} as const;

/**
 * Answers a WebSocket upgrade on a raw socket of an HTTP server. `opened` is called before anything that it brings is read. Rejects, having written nothing, when the request is not a
 * proper upgrade or the socket is gone; the socket is then still the caller's.
 */
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  opened?: (webSocket: WebSocketStream) => void,
): Promise<WebSocketStream> {
  return new Promise((resolve, reject) => {
    const server = new WebSocketServer({ noServer: true, clientTracking: false, ...limits });
    const onGone = (): void => reject(new Error("The socket was closed before its upgrade to a WebSocket."));
    socket.once("close", onGone);
    server.on("wsClientError", (error) => reject(error));
    server.handleUpgrade(request, socket, head, (ws) => {
      socket.removeListener("close", onGone);
      const webSocket = new WebSocketStream(ws, socket, true);
      opened?.(webSocket);
      resolve(webSocket);
    });
  });
}

/**
 * Opens a WebSocket over `socket`, an established connection (in TLS, for `wss`), which it owns from now on; `headers` go with the
 * request. Rejects with `LinkError` when the other end does not upgrade, and with the signal's reason when that aborts.
 */
export function openWebSocket(
  url: URL,
  socket: Duplex,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (signal.aborted || socket.destroyed) {
      socket.destroy();
      reject(
        signal.aborted
          ? signal.reason
          : notOpened(
              url,
              socket.errored ?? Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" }),
            ),
      );
      return;
    }
    const ws = new WebSocket(url, {
      ...limits,
      headers,
      createConnection: () => socket,
      // A mask guards caches from scripts in browsers. This payload is TLS and looks random to them, and masking it
      // costs more than all else here.
      generateMask: (mask) => mask.fill(0),
      followRedirects: false,
    });
    const onAbort = (): void => fail(signal.reason);
    const fail = (error: unknown): void => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
      ws.on("error", () => {}); // terminate() of a WebSocket that is not open yet emits one more.
      ws.terminate();
      socket.destroy();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    ws.once("unexpected-response", (_request, response) => fail(refusedUpgrade(url, response.statusCode ?? 0)));
    ws.once("error", (cause) => fail(notOpened(url, cause)));
    ws.once("open", () => {
      signal.removeEventListener("abort", onAbort);
      ws.removeAllListeners();
      resolve(new WebSocketStream(ws, socket, false));
    });
  });
}

function notOpened(url: URL, cause: Error): LinkError {
  return new LinkError("not-an-agent", `${url.host} did not open a WebSocket: ${errorText(cause)}.`, cause);
}

function refusedUpgrade(url: URL, status: number): LinkError {
  const hint =
    status === 401
      ? "It does not know the token."
      : status === 404
        ? "Is the path right, does it lead to an agent's peer port (8001), and does what stands in front of it pass the headers Upgrade and Connection on?"
        : status >= 500
          ? "The ingress in front of the agent answers, the agent does not: is it running?"
          : status >= 300 && status < 400
            ? "It redirects; use the URL that it redirects to."
            : "Does what stands in front of the agent let WebSockets pass?";
  return new LinkError(
    "not-an-agent",
    `${url.host} answered ${url.pathname} with HTTP ${status} instead of a WebSocket. ${hint}`,
    undefined,
    status,
  );
}
