import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { explainError } from "../../src/client/explain.ts";
import { withToken } from "../../src/client/token.ts";
import { translateErrors } from "../../src/console/api/errors.ts";
import { tryLater } from "../../src/console/try-later.ts";
import { AgentService } from "../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { PeeringError } from "../../src/peering/error.ts";
import { bearer, startConsole } from "./console-world.ts";

const slow = { status: 429, reason: "TooManyRequests", message: "Slower.", retryAfterMs: 2_500 };

for (const [what, error, seconds] of [
  ["a peer is away", new ConnectError("There is no link to berlin.", Code.Unavailable), 5],
  ["a peer cannot be reached", new PeeringError("unreachable", "Nobody answers."), 5],
  ["the cluster wants it slower", new KubeError(slow), 2.5],
  ["too much runs", tryLater("Too many.", { seconds: 0.2 }), 0.2],
] as const) {
  test(`says when to try again where ${what}: by a header to HTTP, by a detail to every protocol`, async () => {
    await using world = await startConsole({
      routes: (router) =>
        void router.service(AgentService, {
          getInfo() {
            throw error;
          },
        }),
      interceptors: [translateErrors],
    });
    const answer = await world.ask("/fairlead.console.v1.AgentService/GetInfo", {
      method: "POST",
      headers: { ...bearer, "content-type": "application/json" },
      body: "{}",
    });
    assert.equal(answer.headers["retry-after"], String(Math.ceil(seconds)));
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${world.port}` });
    const [, token = ""] = bearer.authorization.split(" ");
    const explained = await createClient(AgentService, withToken(transport, token)).getInfo({}).catch(explainError);
    assert.ok("retryAfter" in explained);
    assert.equal(explained.retryAfter, seconds);
    assert.equal(explained.isWorthRetrying, true);
  });
}

test("promises nothing where trying again does not help", async () => {
  await using world = await startConsole({
    routes: (router) =>
      void router.service(AgentService, {
        getInfo() {
          throw new ConnectError("There are too many users.", Code.ResourceExhausted);
        },
      }),
    interceptors: [translateErrors],
  });
  const answer = await world.ask("/fairlead.console.v1.AgentService/GetInfo", {
    method: "POST",
    headers: { ...bearer, "content-type": "application/json" },
    body: "{}",
  });
  assert.equal(answer.status, 429);
  assert.equal(answer.headers["retry-after"], undefined);
});
