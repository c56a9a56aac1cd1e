import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { systemClock } from "../../../src/base/clock.ts";
import { createTunnelService } from "../../../src/console/api/tunnel-service.ts";
import { TunnelService } from "../../../src/gen/fairlead/console/v1/tunnel_service_pb.ts";
import { ListTargetsResponseSchema } from "../../../src/gen/fairlead/peer/v1/targets_pb.ts";
import { Connections } from "../../../src/tunnel/connections.ts";
import { targetText } from "../../../src/wire/target-text.ts";
import { calledBy, person } from "../people.ts";
import { testListing } from "./test-listing.ts";

/** A peer that tells of these, and what is opened of it. */
function createPeer(...targets: { target: string; protocol?: string; appProtocol?: string }[]) {
  const opened: string[] = [];
  const service = createTunnelService(
    {
      peers: () => ["there"],
      presence: () => ({ connected: true }),
      listTargets: async () => create(ListTargetsResponseSchema, { targets }),
      openTarget({ target }) {
        opened.push(targetText(target));
        return { url: "http://there/", host: "there" };
      },
      connections: new Connections(systemClock),
      listForwards: async () => [],
      forwards: {
        get: () => assert.fail("nobody reads one"),
        make: () => assert.fail("nobody makes any"),
        change: () => assert.fail("nobody changes any"),
        delete: () => assert.fail("nobody deletes any"),
      },
      clock: systemClock,
    },
    testListing,
  );
  const transport = createRouterTransport((router) => void router.service(TunnelService, service), {
    router: {
      interceptors: [calledBy(person("ana"))],
    },
  });
  return { opened, client: createClient(TunnelService, transport) };
}

test("of a Service without a port that is opened which speaks HTTP, before one that may, before one that cannot", async () => {
  const udp = { target: "service/shop/web:53/udp", protocol: "UDP" };
  const tcp = { target: "service/shop/web:80" };
  const http = { target: "service/shop/web:9000", appProtocol: "http" };
  const known = createPeer(udp, tcp, http);
  await known.client.openTarget({ peer: "there", target: "service/shop/web" });
  assert.deepEqual(known.opened, ["service/shop/web:9000"]);
  const unknown = createPeer(udp, tcp);
  await unknown.client.openTarget({ peer: "there", target: "service/shop/web", appProtocol: "http" });
  assert.deepEqual(unknown.opened, ["service/shop/web:80"]);
  const none = createPeer(udp);
  await assert.rejects(none.client.openTarget({ peer: "there", target: "service/shop/web" }), /UDP/);
});
