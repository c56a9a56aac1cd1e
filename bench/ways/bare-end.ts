/**
 * One end of the bare way, forked: for each connection a WebSocket of its own as a stream of the library `ws`, Node's mutual TLS in it as the
 * link has it, and a pipe. Nothing else of the link, so that what the link gains is not gained here.
 * `far` TARGET tells its port and fingerprint; `near` DIAL FINGERPRINT tells its port.
 */
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocket, WebSocketServer } from "ws";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { loadIdentity } from "../../src/identity/identity.ts";
import { createSecurer } from "../../src/link/secure.ts";
import { createMemoryStore } from "../../test/identity/memory-store.ts";

const [role, port, fingerprint = ""] = process.argv.slice(2);
const host = "127.0.0.1";
const never = new AbortController().signal;

process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(0));

const identity = await loadIdentity({ store: createMemoryStore(), clock: systemClock, log: silentLog }, never);
const securer = createSecurer({ identity, now: () => Date.now() });
const other = { port: Number(port), host, noDelay: true, allowHalfOpen: true };

if (role === "far") {
  const server = createHttpServer({ noDelay: true });
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on("upgrade", (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (ws) => {
      const secured = securer.accept(createWebSocketStream(ws), never);
      secured.then(({ stream }) => pipe(stream, connect(other))).catch(() => socket.destroy());
    });
  });
  listen(server);
} else {
  listen(
    createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      socket.on("error", () => undefined);
      dial()
        .then((stream) => pipe(socket, stream))
        .catch(() => socket.resetAndDestroy());
    }),
  );
}

async function dial(): Promise<Duplex> {
  const ws = new WebSocket(`ws://${host}:${port}/link`, {
    perMessageDeflate: false,
    generateMask: (mask) => mask.fill(0),
    createConnection: () => connect(other),
  });
  await new Promise<void>((resolve, reject) => ws.once("open", resolve).once("error", reject));
  return (await securer.dial(createWebSocketStream(ws), { fingerprint }, never)).stream;
}

function pipe(a: Duplex, b: Duplex): void {
  for (const [one, its] of [
    [a, b],
    [b, a],
  ] as const) {
    one.on("error", () => its.destroy());
    one.once("close", () => its.destroy());
    one.pipe(its);
  }
}

function listen(server: Server): void {
  server.listen({ port: 0, host, backlog: 4_096 }, () => {
    const address = server.address();
    if (typeof address === "object" && address !== null) {
      process.send?.({ port: address.port, fingerprint: identity.fingerprint });
    }
  });
}
