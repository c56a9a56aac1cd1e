/** Connections of TCP at a port that is listened on for a Forward. */
import { createServer, type Socket } from "node:net";
import type { Listen } from "./port-range.ts";

/** Connections that wait to be taken; programs open hundreds in one go. */
const backlog = 4_096;

/** Each connection has Nagle's delay off, looks now and then whether the other end is still there, and may be half open. */
export function listenTcp(onConnection: (socket: Socket) => void): Listen {
  return (host, port) =>
    new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, onConnection);
      server.once("error", reject);
      server.listen({ host, port, backlog }, () => {
        server.off("error", reject);
        // One that cannot be taken, as without file descriptors, is no reason to end.
        server.on("error", () => undefined);
        resolve({ close: () => void server.close() });
      });
    });
}
