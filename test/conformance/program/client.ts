/** The client under test: `client.ts bridge` calls servers by HTTP/2, `client.ts direct` by a session. */
import { connect } from "node:http2";
import type { Transport } from "@connectrpc/connect";
import {
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "../../../.cache/conformance/gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { createLinkTransport } from "../../../src/rpc/transport.ts";
import { toHttp2 } from "./bridge.ts";
import { invoke } from "./call.ts";
import { readMessages, writeMessage } from "./delimited.ts";
import { dial, listen, tellWhatIsOpen } from "./sessions.ts";

tellWhatIsOpen();
const mostAtOnce = 4;
/** By port, since the suite starts several servers. */
const transports = new Map<number, Promise<Transport>>();
const running = new Set<Promise<void>>();
process.once("SIGTERM", () => process.exit(0));
for await (const request of readMessages(ClientCompatRequestSchema)) {
  const { testName, port } = request;
  let transport = transports.get(port);
  if (transport === undefined) {
    transport = open(port);
    transports.set(port, transport);
  }
  const call = transport
    .then((one) => invoke(one, request))
    .then(
      (value) => writeMessage(ClientCompatResponseSchema, { testName, result: { case: "response", value } }),
      (error: unknown) => {
        const value = { message: error instanceof Error ? String(error.stack) : String(error) };
        writeMessage(ClientCompatResponseSchema, { testName, result: { case: "error", value } });
      },
    )
    .finally(() => running.delete(call));
  running.add(call);
  // Deadlines are judged, so no call may have to wait for too many others.
  if (running.size >= mostAtOnce) await Promise.race(running);
}
await Promise.all(running);
process.exit(0);

async function open(port: number): Promise<Transport> {
  if (process.argv[2] !== "bridge") return createLinkTransport(await dial(port));
  const http2 = connect(`http://127.0.0.1:${port}`);
  http2.on("error", (error) => console.error(error));
  const bridge = await listen((incoming) => void toHttp2(http2, incoming));
  return createLinkTransport(await dial(bridge));
}
