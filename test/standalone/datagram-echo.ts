/** A server of datagrams that says each back, with a word behind it; and one question to what stands in for it. */
import { createSocket } from "node:dgram";
import { once } from "node:events";

export async function startDatagramEcho() {
  const server = createSocket("udp4", (said, from) => server.send(`${said} there`, from.port, from.address));
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    /** Asks again each second, as a resolver does: a datagram may be lost. Rejects when nobody has answered within a minute. */
    async ask(port: number, question: string): Promise<string> {
      const socket = createSocket("udp4");
      const send = (): void => socket.send(question, port, "127.0.0.1");
      const again = setInterval(send, 1_000);
      try {
        send();
        const [answer] = await once(socket, "message", { signal: AbortSignal.timeout(60_000) });
        return String(answer);
      } finally {
        clearInterval(again);
        socket.close();
      }
    },
    close: () => void server.close(),
  };
}
