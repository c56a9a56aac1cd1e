import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { systemClock } from "../../../src/base/clock.ts";
import { explainError } from "../../../src/client/explain.ts";
import { translateErrors } from "../../../src/console/api/errors.ts";
import { createForwardChanges } from "../../../src/console/api/forward-changes.ts";
import { createTunnelService, type TunnelServiceDeps } from "../../../src/console/api/tunnel-service.ts";
import type { Principal } from "../../../src/console/auth/principal.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import { TunnelService } from "../../../src/gen/fairlead/console/v1/tunnel_service_pb.ts";
import { ListTargetsResponseSchema } from "../../../src/gen/fairlead/peer/v1/targets_pb.ts";
import { ForwardSpecSchema } from "../../../src/gen/fairlead/resources/v1alpha1/forward_pb.ts";
import { Connections } from "../../../src/tunnel/connections.ts";
import { targetText } from "../../../src/wire/target-text.ts";
import { accessBy, calledBy, person } from "../people.ts";
import { testListing } from "./test-listing.ts";

/** The service, called by ana as an administrator unless said otherwise, of an agent where all is west's by what it has heard. */
function serve(deps: Partial<TunnelServiceDeps>, caller: Principal = person("ana")) {
  const service = createTunnelService(
    {
      peers: () => ["west", "east"],
      presence: (peer) => (["west", "east"].includes(peer) ? { connected: true } : undefined),
      listTargets: () => assert.fail("nobody asks for targets"),
      openTarget: () => assert.fail("nobody opens anything"),
      connections: new Connections(systemClock),
      listForwards: async () => [],
      forwards: {
        get: () => assert.fail("nobody reads one"),
        make: () => assert.fail("nobody makes any"),
        change: () => assert.fail("nobody changes any"),
        delete: () => assert.fail("nobody deletes any"),
      },
      clock: systemClock,
      ...deps,
    },
    testListing,
  );
  const { guard } = accessBy([], systemClock, { concernOfForward: () => ["west"] });
  const transport = createRouterTransport((router) => void router.service(TunnelService, service), {
    router: { interceptors: [calledBy(caller), translateErrors, guard.judge] },
  });
  return createClient(TunnelService, transport);
}

/** A peer that tells of these, and what is opened of it. */
function createPeer(...targets: { target: string; protocol?: string; appProtocol?: string }[]) {
  const opened: string[] = [];
  const client = serve({
    listTargets: async () => create(ListTargetsResponseSchema, { targets }),
    openTarget({ target }) {
      opened.push(targetText(target));
      return { url: "http://west/", host: "west" };
    },
  });
  return { opened, client };
}

function withRole(role: Role, ...peers: string[]): Principal {
  return person("wes", [{ role, peers }]);
}

test("of a Service without a port that is opened which speaks HTTP, before one that may, before one that cannot", async () => {
  const udp = { target: "service/shop/web:53/udp", protocol: "UDP" };
  const tcp = { target: "service/shop/web:80" };
  const http = { target: "service/shop/web:9000", appProtocol: "http" };
  const known = createPeer(udp, tcp, http);
  await known.client.openTarget({ peer: "west", target: "service/shop/web" });
  assert.deepEqual(known.opened, ["service/shop/web:9000"]);
  const unknown = createPeer(udp, tcp);
  await unknown.client.openTarget({ peer: "west", target: "service/shop/web", appProtocol: "http" });
  assert.deepEqual(unknown.opened, ["service/shop/web:80"]);
  const none = createPeer(udp);
  await assert.rejects(none.client.openTarget({ peer: "west", target: "service/shop/web" }), /UDP/);
  await assert.rejects(none.client.openTarget({ peer: "west", target: "node/a" }), (error) => {
    assert.deepEqual(
      explainError(error).violations.map(({ field }) => field),
      ["target"],
    );
    return true;
  });
});

/** West's, east's and west's again. */
function threeConnections(ended: string[] = []): Connections {
  const connections = new Connections(systemClock);
  for (const peer of ["west", "east", "west"]) {
    connections.add({
      peer,
      side: "Here",
      target: { kind: "metrics" },
      person: "ana",
      correlation: undefined,
      passed: () => ({ out: 0, in: 0 }),
      end: () => void ended.push(peer),
    });
  }
  return connections;
}

test("connections are shown to whoever may see their peer, and of the others not even how many there are", async () => {
  const client = serve({ connections: threeConnections() }, withRole(Role.VIEWER, "west"));
  for (const peer of ["", "west"]) {
    const { connections, totalSize } = await client.listConnections({ peer });
    assert.deepEqual([connections.map((one) => one.peer), totalSize], [["west", "west"], 2]);
  }
  const refusals = await Promise.all(
    ["east", "nowhere"].map((peer) => client.listConnections({ peer }).catch((error: unknown) => error)),
  );
  const [hidden, missing] = refusals.map((error) => {
    const { code, rawMessage } = ConnectError.from(error);
    return [code, rawMessage.replace(/east|nowhere/, "it")];
  });
  assert.equal(hidden?.[0], Code.NotFound);
  assert.deepEqual(hidden, missing);
});

test("an operator of one peer ends no connection of another, whatever they call it", async () => {
  const ended: string[] = [];
  const connections = threeConnections(ended);
  const client = serve({ connections }, withRole(Role.OPERATOR, "west"));
  const [ofEast] = connections.list().filter(({ peer }) => peer === "east");
  assert.ok(ofEast);
  for (const [peer, code] of [
    ["east", Code.PermissionDenied],
    ["west", Code.NotFound],
  ] as const) {
    await assert.rejects(client.endConnection({ peer, id: ofEast.id }), { code });
  }
  assert.deepEqual(ended, []);
});

test("a Forward that was moved to another peer is not touched by the old one's operator, though the agent has not heard of it yet", async () => {
  const ref = { namespace: "shop", name: "db" };
  const jsonTo = (peer: string) => ({ peer, target: "service/data/db", ports: [{ name: "pg", port: 5432 }] });
  const specTo = (peer: string) => fromJson(ForwardSpecSchema, jsonTo(peer));
  const moved = {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "Forward",
    metadata: { ...ref, uid: "1" },
    spec: jsonTo("east"),
  };
  const forwards = createForwardChanges({
    kube: {
      get: async (kind) => kind.parse(moved),
      create: () => assert.fail("it is there"),
      apply: () => assert.fail("it is there"),
      mergePatch: () => assert.fail("it was written"),
      delete: () => assert.fail("it was deleted"),
    },
    heard: async () => undefined,
    noneHere: undefined,
  });
  const { version = "" } = (await serve({ forwards }).getForward({ ref })).forward ?? {};
  const client = serve({ forwards }, withRole(Role.OPERATOR, "west"));
  const refused = { code: Code.PermissionDenied, message: /^(?!.*east)/ };
  await assert.rejects(client.updateForward({ ref, spec: specTo("west"), version }), refused);
  for (const seen of [version, ""]) await assert.rejects(client.deleteForward({ ref, version: seen }), refused);
});
