import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { listen } from "./agents.ts";
import { startTlsFront } from "./proxies.ts";

/** A TLS server behind somebody who appends a forged fatal record to the packet that ends the server's handshake. */
export async function createTlsBreaker(t: TestContext): Promise<{ port: number; rootCaPem: string }> {
  const front = await startTlsFront(t, await listen(t, createServer()));
  const breaker = createServer((socket: Socket) => {
    const on = connect(front.port, "127.0.0.1");
    on.on("error", () => socket.destroy());
    socket.on("error", () => on.destroy());
    on.on("data", (chunk: Buffer) => {
      // An application data record (type 23) whose tag cannot be right.
      socket.write(Buffer.concat([chunk, Buffer.from([23, 3, 3, 0, 20]), Buffer.alloc(20)]));
    });
    on.on("close", () => socket.destroy());
    socket.pipe(on);
  });
  return { port: await listen(t, breaker), rootCaPem: front.rootCaPem };
}
