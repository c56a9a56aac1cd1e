/** A peer's errors reach whoever asked, and nothing that a browser would do for the console itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { PeerService } from "../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { TargetService } from "../../src/gen/fairlead/peer/v1/targets_pb.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createLinkTransport } from "../../src/rpc/transport.ts";
import { listTargetsAt } from "../../src/tunnel/targets-at.ts";
import { serveWith } from "../rpc/pair.ts";
import { openPair } from "../wire/pair.ts";
import { bearer, startConsole } from "./console-world.ts";

const hostile = {
  "set-cookie": "__Host-fairlead=chosen; Path=/; Secure",
  "access-control-allow-origin": "https://elsewhere.example",
  "access-control-allow-credentials": "true",
  "clear-site-data": '"cookies"',
  "retry-after": "chosen",
};

for (const [what, code, message] of [
  ["short", Code.FailedPrecondition, "no"],
  ["longer than is passed on", Code.FailedPrecondition, "n".repeat(2_500)],
  ["explained by us", Code.Unimplemented, "no"],
] as const)
  test(`an error of a peer that is ${what} sets no header of the console's answer`, async () => {
    const server = createRpcServer({
      routes: (router) => {
        router.service(TargetService, {
          listTargets() {
            throw new ConnectError(message, code, hostile);
          },
        });
      },
    });
    const pair = await openPair({ acceptHigh: serveWith(server) });
    await using world = await startConsole({
      routes: (router) => {
        router.service(PeerService, {
          async listPeers(_, { signal }) {
            await listTargetsAt({ transport: createLinkTransport(pair.low), peer: "berlin" }, signal);
            return {};
          },
        });
      },
    });
    const { status, headers } = await world.ask("/fairlead.console.v1.PeerService/ListPeers", {
      method: "POST",
      headers: { ...bearer, "content-type": "application/json" },
      body: "{}",
    });
    assert.ok(status >= 400, String(status));
    for (const name of Object.keys(hostile)) assert.equal(headers[name], undefined, name);
  });
