import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { DialingAgent } from "../../src/base/dialing-agent.ts";
import { AgentService } from "../../src/gen/fairlead/console/v1/agent_service_pb.ts";

test("Connect's client calls over a connection that is no socket, as a forwarded port is none", async (t) => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(501).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const agent = new DialingAgent(async () => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return Duplex.from({ readable: socket, writable: socket });
  });
  t.after(() => {
    agent.destroy();
    server.close();
    server.closeAllConnections();
  });
  const transport = createConnectTransport({ baseUrl: "http://fairlead", httpVersion: "1.1", nodeOptions: { agent } });
  await assert.rejects(
    createClient(AgentService, transport).getInfo({}, { timeoutMs: 10_000 }),
    (error) => error instanceof ConnectError && error.code !== Code.DeadlineExceeded,
  );
});
