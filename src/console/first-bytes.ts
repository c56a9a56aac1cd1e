/** One port, three protocols: the first bytes of a connection tell TLS and HTTP/2 with prior knowledge from HTTP/1.1. */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** How every HTTP/2 connection begins (RFC 9113, 3.4), as far as it takes to tell: no method of HTTP/1.1 is called so. */
const preface = Buffer.from("PRI * HTTP/2");

/** The first byte of a TLS handshake (RFC 8446, 5.1): no HTTP begins with it. */
const handshake = 0x16;

/** A connection that says nothing is cut after so many milliseconds. */
const silenceMs = 30_000;

export interface Diverted {
  /** Whether it is taken at all; one that is not is cut already. */
  admit(socket: Socket): boolean;
  http2(socket: Socket): void;
  tls(socket: Socket): void;
}

/**
 * Gives connections that begin like HTTP/2 or TLS to those, with their bytes; all others stay the server's. Answers with what
 * serves a stream as a connection of HTTP/1.1, whatever it came in.
 */
export function divert(server: Server, to: Diverted): (connection: Duplex) => void {
  const own = server.listeners("connection");
  const serve = (connection: Duplex): void => {
    for (const listener of own) Reflect.apply(listener, server, [connection]);
  };
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    if (!to.admit(socket)) return;
    let seen: Buffer = Buffer.alloc(0);
    const cut = (): void => void socket.destroy();
    const onData = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const isTls = seen[0] === handshake;
      const known = Math.min(seen.length, preface.length);
      const same = seen.subarray(0, known).equals(preface.subarray(0, known));
      if (same && seen.length < preface.length) return;
      release();
      socket.pause();
      socket.unshift(seen);
      // Both take what was unshifted, and then the handle itself.
      if (isTls) to.tls(socket);
      else if (same) to.http2(socket);
      else {
        serve(socket);
        socket.resume();
      }
    };
    // Without a reader an error or an end would go unheard.
    const release = (): void => {
      socket.off("data", onData).off("error", cut).off("end", cut).off("timeout", cut);
      socket.setTimeout(0);
    };
    socket.setTimeout(silenceMs);
    socket.on("data", onData).on("error", cut).on("end", cut).on("timeout", cut);
  });
  return serve;
}
