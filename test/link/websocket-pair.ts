import { createServer } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { TestContext } from "node:test";
import { acceptWebSocket, openWebSocket } from "../../src/link/websocket.ts";
import { patience } from "../patience.ts";
import { listen } from "./agents.ts";

/** The two ends of a WebSocket on loopback as streams: who dialled, and who accepted. */
export async function webSocketPair(t: TestContext): Promise<{ dialled: Duplex; accepted: Duplex }> {
  const server = createServer();
  const port = await listen(t, server);
  const accepted = new Promise<Duplex>((resolve, reject) => {
    server.on("upgrade", (request, socket, head) => acceptWebSocket(request, socket, head).then(resolve, reject));
  });
  const socket = connect(port, "127.0.0.1");
  const dialled = await openWebSocket(new URL(`ws://127.0.0.1:${port}/link`), socket, patience());
  const pair = { dialled, accepted: await accepted };
  t.after(() => {
    pair.dialled.destroy();
    pair.accepted.destroy();
  });
  return pair;
}
