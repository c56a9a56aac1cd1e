/** One port, two protocols: the first bytes of a connection tell HTTP/2 with prior knowledge from HTTP/1.1. */
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** How every HTTP/2 connection begins (RFC 9113, 3.4), as far as it takes to tell: no method of HTTP/1.1 is called so. */
const preface = Buffer.from("PRI * HTTP/2");

/** A connection that says nothing is cut after so many milliseconds. */
const silenceMs = 30_000;

/**
 * Gives connections that begin like HTTP/2 to `http2`, with their bytes; all others stay the server's. A TLS handshake would
 * be told by its first byte, 0x16, at this place.
 */
export function divertHttp2(server: Server, http2: (socket: Socket) => void): void {
  const own = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    let seen: Buffer = Buffer.alloc(0);
    const cut = (): void => void socket.destroy();
    const onData = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const known = Math.min(seen.length, preface.length);
      const same = seen.subarray(0, known).equals(preface.subarray(0, known));
      if (same && seen.length < preface.length) return;
      release();
      socket.pause();
      socket.unshift(seen);
      if (same) {
        http2(socket); // It takes what was unshifted, and then the handle itself.
        return;
      }
      for (const listener of own) Reflect.apply(listener, server, [socket]);
      socket.resume();
    };
    // Without a reader an error or an end would go unheard.
    const release = (): void => {
      socket.off("data", onData).off("error", cut).off("end", cut).off("timeout", cut);
      socket.setTimeout(0);
    };
    socket.setTimeout(silenceMs);
    socket.on("data", onData).on("error", cut).on("end", cut).on("timeout", cut);
  });
}
