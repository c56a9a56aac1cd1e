/** A peer's errors reach whoever asked, and nothing that a browser would do for the console itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { translateErrors } from "../../src/console/api/errors.ts";
import { PermissionMissingSchema, RetryAfterSchema } from "../../src/gen/fairlead/console/v1/error_pb.ts";
import { PeerService } from "../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { TargetService } from "../../src/gen/fairlead/peer/v1/targets_pb.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { listTargetsAt } from "../../src/tunnel/targets-at.ts";
import { serveWith } from "../rpc/pair.ts";
import { openPair } from "../wire/pair.ts";
import { type Answer, bearer, startConsole } from "./console-world.ts";

const hostile = {
  "set-cookie": "__Host-fairlead=chosen; Path=/; Secure",
  "access-control-allow-origin": "https://elsewhere.example",
  "access-control-allow-credentials": "true",
  "clear-site-data": '"cookies"',
  "retry-after": "chosen",
};

const details = [
  { desc: RetryAfterSchema, value: { seconds: 1e12 } },
  { desc: PermissionMissingSchema, value: { what: "all", givenBy: ["somebody@elsewhere.example"] } },
];

/** As callers of the console are told of it when a peer's agent fails with this error. */
async function toldOf(error: ConnectError): Promise<Answer> {
  const server = createRpcServer({
    routes: (router) => {
      router.service(TargetService, {
        listTargets() {
          throw error;
        },
      });
    },
  });
  const pair = await openPair({ acceptHigh: serveWith(server) });
  await using world = await startConsole({
    interceptors: [translateErrors],
    routes: (router) => {
      router.service(PeerService, {
        async listPeers(_, { signal }) {
          await listTargetsAt({ transport: createLinkTransport(pair.low), peer: "berlin" }, signal);
          return {};
        },
      });
    },
  });
  return await world.ask("/fairlead.console.v1.PeerService/ListPeers", {
    method: "POST",
    headers: { ...bearer, "content-type": "application/json" },
    body: "{}",
  });
}

for (const [what, code, message] of [
  ["short", Code.FailedPrecondition, "no"],
  ["longer than is passed on", Code.FailedPrecondition, "n".repeat(2_500)],
  ["explained by us", Code.Unimplemented, "no"],
] as const)
  test(`an error of a peer that is ${what} sets no header of the console's answer, and has no details there`, async () => {
    const { status, headers, text } = await toldOf(new ConnectError(message, code, hostile, details));
    assert.ok(status >= 400, String(status));
    for (const name of Object.keys(hostile)) assert.equal(headers[name], undefined, name);
    const { details: told = [] } = JSON.parse(text);
    assert.deepEqual(told, []);
  });

test("a peer decides neither when to try again nor whether somebody is signed in", async () => {
  const away = await toldOf(new ConnectError("no", Code.Unavailable, hostile, details));
  assert.equal(away.headers["retry-after"], "5");
  assert.deepEqual(
    JSON.parse(away.text).details.map(({ type, debug }: { type: string; debug: unknown }) => [type, debug]),
    [[RetryAfterSchema.typeName, { seconds: 5 }]],
  );
  const unknown = await toldOf(new ConnectError("who are you?", Code.Unauthenticated));
  assert.deepEqual(JSON.parse(unknown.text), { code: "failed_precondition", message: "who are you?" });
});
