/**
 * HTTP on streams that are no sockets, by a server that listens nowhere. Node watches the connections of servers that listen alone, and
 * has its time-outs kept by sockets: here neither is, so that a stream on which nobody asks anything would stay for ever.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "./clock.ts";

export interface HttpOnStreams {
  /** Resolves when the stream is over, which it also is when the signal aborts. */
  serve(stream: Duplex, signal?: AbortSignal): Promise<void>;
}

/** A client that was told `idleMs` may ask at the last moment; Node's own servers wait as long for it. Milliseconds. */
const graceMs = 1_000;

/**
 * Call it when all listeners of the server stand. A stream is destroyed when the head of a request, the first or another, is not whole
 * `idleMs` (and a second) after the stream was given or the last answer ended. How long an answer takes, and what becomes of a connection
 * that was upgraded, is not bounded here.
 */
export function serveOnStreams(server: Server, o: { readonly clock: Clock; readonly idleMs: number }): HttpOnStreams {
  const { clock, idleMs } = o;
  const watches = new WeakMap<Duplex, Watch>();
  server.keepAliveTimeout = idleMs; // What clients are told.

  const begin = (request: IncomingMessage, response: ServerResponse): void => {
    const watch = watches.get(request.socket);
    if (!watch) return;
    watch.begin();
    response.once("close", watch.end);
  };
  server.prependListener("request", begin);
  // Whoever listens to these has taken them from the server, and is asked in place of it.
  if (server.listenerCount("checkContinue") > 0) server.prependListener("checkContinue", begin);
  if (server.listenerCount("upgrade") > 0) {
    server.prependListener("upgrade", (request: IncomingMessage) => watches.get(request.socket)?.begin());
  }

  return {
    serve(stream, signal) {
      return new Promise((resolve) => {
        const watch = watchStream(stream, clock, idleMs + graceMs);
        const onAbort = (): void => void stream.destroy(signal?.reason);
        stream.on("error", () => undefined);
        stream.once("close", () => {
          watch.close();
          signal?.removeEventListener("abort", onAbort);
          resolve();
        });
        signal?.addEventListener("abort", onAbort, { once: true });
        if (signal?.aborted || stream.destroyed) {
          stream.destroy();
          watch.close();
          resolve();
          return;
        }
        watches.set(stream, watch);
        server.emit("connection", stream);
      });
    },
  };
}

interface Watch {
  /** A request has begun. */
  begin(): void;
  /** Its answer is over. */
  end(): void;
  close(): void;
}

function watchStream(stream: Duplex, clock: Clock, ms: number): Watch {
  let underWay = 0;
  let timer: Timer | undefined;
  const arm = (): void => {
    timer = clock.after(ms, () => stream.destroy());
    timer.unref?.();
  };
  arm();
  return {
    begin() {
      underWay += 1;
      timer?.cancel();
    },
    end() {
      underWay -= 1;
      if (underWay === 0 && !stream.destroyed) arm();
    },
    close: () => timer?.cancel(),
  };
}
