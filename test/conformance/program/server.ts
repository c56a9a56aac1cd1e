/** The server under test: `server.ts bridge` is reached by HTTP/2, `server.ts direct` by a session. */
import { once } from "node:events";
import { createServer } from "node:http2";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../../../.cache/conformance/gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { ConformanceService } from "../../../.cache/conformance/gen/connectrpc/conformance/v1/service_pb.ts";
import { createRpcServer } from "../../../src/rpc/server.ts";
import { toSession } from "./bridge.ts";
import { readMessages, writeMessage } from "./delimited.ts";
import { conformanceService } from "./service.ts";
import { dial, listen, portOf, tellWhatIsOpen } from "./sessions.ts";

tellWhatIsOpen();
const caller = { fingerprint: "c".repeat(64), guest: false, peer: "conformance", grants: [], caPem: "" };
const rpc = createRpcServer({
  routes: (router) => router.service(ConformanceService, conformanceService),
  onDefect: (error, path) => console.error(path, error),
});

for await (const _ of readMessages(ServerCompatRequestSchema)) {
  const direct = await listen((incoming) => void rpc.serve(incoming, caller));
  const port = process.argv[2] === "bridge" ? await listenHttp2(direct) : direct;
  writeMessage(ServerCompatResponseSchema, { host: "127.0.0.1", port });
  break;
}
process.once("SIGTERM", () => process.exit(0));

async function listenHttp2(port: number): Promise<number> {
  const session = await dial(port);
  const server = createServer();
  server.on("stream", (request, headers) => void toSession(session, request, headers));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return portOf(server.address());
}
