/** `fairlead forward list`: the API's answer over Forwards that the test has, by command line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { exitCode } from "../../src/cli/errors.ts";
import type { ForwardChanges } from "../../src/console/api/forward-changes.ts";
import { createTunnelService } from "../../src/console/api/tunnel-service.ts";
import { forwards } from "../../src/kube/resources.ts";
import { Connections } from "../../src/tunnel/connections.ts";
import type { KnownForward } from "../../src/tunnel/forwards/forwards.ts";
import { testListing } from "../console/api/test-listing.ts";
import { type Offices, openOffices } from "./offices.ts";

const clusterForwards: KnownForward[] = [
  {
    forward: forwards.parse({
      metadata: { namespace: "shop", name: "db", uid: "1" },
      spec: {
        peer: "berlin",
        target: "service/data/postgres",
        ports: [
          { name: "a", port: 5432 },
          { name: "b", port: 80, targetPort: "web", protocol: "UDP" },
        ],
      },
      status: { phase: "Ready", service: "db", conditions: [{ type: "Ready", status: "True", reason: "Ready" }] },
    }),
    counts: {
      connections: 2,
      opened: { taken: 7, limited: 1, denied: 3 },
      out: 1_536,
      in: 3,
      dropped: { out: 2, in: 1 },
    },
  },
  {
    forward: forwards.parse({
      metadata: { namespace: "back", name: "offer", uid: "2" },
      spec: { peer: "oslo", direction: "Reverse", target: "service/web", ports: [{ name: "a", port: 80 }] },
      status: {
        phase: "Waiting",
        message: "no\u001b[2J policy",
        conditions: [{ type: "Ready", status: "False", reason: "Denied" }],
      },
    }),
    counts: undefined,
  },
];

const nobodyWrites: ForwardChanges = {
  get: () => assert.fail("nobody reads one"),
  make: () => assert.fail("nobody makes any"),
  change: () => assert.fail("nobody changes any"),
  delete: () => assert.fail("nobody deletes any"),
};

function openWith(known: readonly KnownForward[]): Offices {
  const offices = openOffices();
  offices.tunnels = createTunnelService(
    {
      peers: () => ["berlin"],
      presence: (peer) => (peer === "berlin" ? { connected: true } : undefined),
      listTargets: () => Promise.reject(new Error("nobody asks for targets")),
      connections: new Connections(systemClock),
      listForwards: async () => [...known],
      forwards: nobodyWrites,
      openTarget: () => assert.fail("nobody opens anything"),
      clock: systemClock,
    },
    testListing,
  );
  return offices;
}

test("what there is, is listed by namespace and name, in both directions, with how it is and what goes by it", async () => {
  const offices = openWith(clusterForwards);
  const table = await offices.run(["forward", "list"]);
  assert.deepEqual(
    table.out.split("\n").map((line) => line.split(/ {2,}/)),
    [
      ["NAMESPACE", "NAME", "DIRECTION", "PEER", "TARGET", "SERVICE", "PORTS", "STATE", "REASON", "OPEN", "AGE"],
      "back,offer,Reverse,oslo,service/web,<none>,80/TCP,Waiting,Denied,<none>,<none>".split(","),
      ["shop", "db", "Forward", "berlin", "service/data/postgres", "db", "5432/TCP,80:web/UDP", "Ready"].concat([
        ...["<none>", "2", "<none>"],
      ]),
      [""],
    ],
  );
  const wide = await offices.run(["forward", "ls", "-o", "wide"]);
  assert.match(wide.out, / 7 +denied:3,limited:1 +1\.5 KiB +3 B +3 /);
  assert.match(wide.out, / no policy\n/);
  const names = await offices.run(["forward", "list", "-o", "name"]);
  assert.equal(names.out, "forward.fairlead.dev/offer\nforward.fairlead.dev/db\n");
});

test("one is a document as Kubernetes has it, with what goes by it beside", async () => {
  const offices = openWith(clusterForwards);
  const { items } = JSON.parse((await offices.run(["forward", "list", "-o", "json"])).out);
  const [offer, db] = items;
  assert.deepEqual([offer.apiVersion, offer.kind, offer.use], ["fairlead.dev/v1alpha1", "Forward", undefined]);
  assert.equal(offer.spec.direction, "Reverse");
  assert.deepEqual(db.spec.ports, [
    { name: "a", port: 5432 },
    { name: "b", port: 80, targetPort: "web", protocol: "UDP" },
  ]);
  assert.equal(db.status.service, "db");
  assert.deepEqual(db.use, {
    ...{ connections: 2, taken: "7", notTaken: { denied: "3", limited: "1" } },
    ...{ bytesOut: "1536", bytesIn: "3", droppedOut: "2", droppedIn: "1" },
  });
});

test("it can be of one peer or one namespace, also of a peer that a Forward waits for; what there is none of is said", async () => {
  const offices = openWith(clusterForwards);
  const listed = async (...words: string[]): Promise<string> =>
    (await offices.run(["forward", "list", ...words, "-o", "name"])).out;
  assert.equal(await listed("berlin"), "forward.fairlead.dev/db\n");
  assert.equal(await listed("oslo"), "forward.fairlead.dev/offer\n");
  assert.equal(await listed("-n", "shop"), "forward.fairlead.dev/db\n");
  const none = await offices.run(["forward", "list", "berlin", "-n", "back"]);
  assert.deepEqual([none.code, none.out], [exitCode.ok, ""]);
  assert.match(none.err, /There is no Forward of berlin in back\./);
  const nobody = await offices.run(["forward", "list", "rome"]);
  assert.equal(nobody.code, exitCode.notFound);
  assert.match(nobody.err, /rome/);
});

test("a peer that is called list can be forwarded from, and nothing is taken for another's name", async () => {
  const offices = openWith(clusterForwards);
  const asked: string[] = [];
  offices.peerService = {
    getPeer({ name }) {
      asked.push(name);
      throw new Error("that is far enough");
    },
  };
  await offices.run(["forward", "peer/list", "metrics"]);
  await offices.run(["forward", "help", "metrics"]);
  assert.deepEqual(asked, ["list", "help"]);
  const meant = await offices.run(["forward", "list", "service/data/db:5432"]);
  assert.equal(meant.code, exitCode.usage);
  assert.match(meant.err, /fairlead forward peer\/list service\/data\/db:5432/);
  assert.equal((await offices.run(["forward", "list", "service/data/db:5432", "5432"])).code, exitCode.usage);
  assert.deepEqual(asked, ["list", "help"]);
});
