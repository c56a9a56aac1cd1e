/** `fairlead connection`: what is open between two agents, as an agent shows it, and an end to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { exitCode } from "../../src/cli/errors.ts";
import { createTunnelService } from "../../src/console/api/tunnel-service.ts";
import { Connections } from "../../src/tunnel/connections.ts";
import { testListing } from "../console/api/test-listing.ts";
import { openOffices } from "./offices.ts";

test("what is open is listed with who has it and what has passed, and ends by its id", async () => {
  // In whose order they come, one by one.
  let now = systemClock.now();
  const connections = new Connections({ now: () => (now += 1) });
  const ended: string[] = [];
  const open = (peer: string, side: "Here" | "Peer", person?: string): void => {
    const target = { kind: "service", namespace: "shop", name: "db", port: 5432 } as const;
    connections.add({
      peer,
      side,
      target,
      person,
      correlation: "stream:1a2b3c4d/7",
      passed: () => ({ out: 2_048, in: 3 }),
      end: ({ message }) => void ended.push(`${peer} ${message}`),
    });
  };
  open("berlin", "Here", "ana");
  open("berlin", "Peer");
  open("oslo", "Here", "forward shop/db");
  const offices = openOffices();
  offices.tunnels = createTunnelService(
    {
      peers: () => ["berlin", "oslo"],
      presence: (peer) => (["berlin", "oslo"].includes(peer) ? { connected: true } : undefined),
      listTargets: () => assert.fail("nobody asks for targets"),
      openTarget: () => assert.fail("nobody opens anything"),
      listForwards: () => assert.fail("nobody asks for Forwards"),
      forwards: {
        get: () => assert.fail("nobody reads one"),
        make: () => assert.fail("nobody makes any"),
        change: () => assert.fail("nobody changes any"),
        delete: () => assert.fail("nobody deletes any"),
      },
      connections,
      clock: systemClock,
    },
    testListing,
  );
  const table = await offices.run(["connection", "list", "--sort-by", "peer,side"]);
  assert.deepEqual(
    table.out.split("\n").map((line) => line.split(/ {2,}/).slice(1, 5).join("|")),
    [
      "PEER|SIDE|TARGET|BY",
      "berlin|Here|service/shop/db:5432|ana",
      "berlin|Peer|service/shop/db:5432|<none>",
      "oslo|Here|service/shop/db:5432|forward shop/db",
      "",
    ],
  );
  const picked = await offices.run(["connection", "list", "--field-selector", "by=ana", "-o", "json"]);
  const [one] = JSON.parse(picked.out).items;
  assert.deepEqual([one.bytesOut, one.bytesIn, one.correlation], ["2048", "3", "stream:1a2b3c4d/7"]);
  const names = await offices.run(["connection", "list", "peer/berlin", "-o", "name"]);
  assert.equal(names.out.trim().split("\n").length, 2);
  assert.equal((await offices.run(["connection", "list", "nobody"])).code, exitCode.notFound);

  const elsewhere = await offices.run(["connection", "end", "oslo", one.id]);
  assert.equal(elsewhere.code, exitCode.notFound, elsewhere.err);
  const gone = await offices.run(["connection", "end", "berlin", `connection/${one.id}`]);
  assert.equal(gone.out, `connection/${one.id} ended\n`, gone.err);
  assert.deepEqual(ended, ["berlin An operator has ended this connection."]);
  assert.equal((await offices.run(["connection", "end", "berlin", one.id])).code, exitCode.notFound);
});
