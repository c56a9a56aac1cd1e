/** `fairlead peer get`: the way to a peer as it is at this moment. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { linkView } from "../../src/cli/link-view.ts";
import { formatTable } from "../../src/cli/table.ts";
import { LinkSchema } from "../../src/gen/fairlead/console/v1/link_service_pb.ts";
import { PeerSchema } from "../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { createCuttable } from "../peering/agents.ts";
import { type Ran, run, start, startWorld, type World } from "./world.ts";

test("fairlead peer get", async (t) => {
  await using world = await startWorld();
  const way = await createCuttable(t, world.berlin.agent.ports.link);
  const invite = await run(world.berlin, ["invite", "--name", "lisbon", "--grant", "apps", "--url", way.url]);
  const joined = await run(world.lisbon, ["join", invite.out.trim()]);
  assert.equal(joined.code, 0, joined.err);

  const lisbon = (...args: string[]): Promise<Ran> => run(world.lisbon, args);
  const linkOf = async (town: World["lisbon"], peer: string) =>
    JSON.parse((await run(town, ["peer", "get", peer, "-o", "json"])).out).link;

  await t.test("shows who dialled, since when, the round trip, the streams and the bytes", async () => {
    const { out, code } = await lisbon("peer", "get", "berlin");
    assert.equal(code, 0);
    const [head = "", row = ""] = out.split("\n");
    assert.match(head, /^NAME +LINK +SINCE +PATH +ROUND-TRIP +STREAMS +IN +OUT +RESUMES +VERSION +GRANTS +AGE$/);
    assert.match(
      row,
      /^berlin +Connected +\d+s +dialled +(\d+(\.\d)? ms|<none>) +\d+ +[\d.]+ (Ki)?B +[\d.]+ (Ki)?B +0 /,
    );
    assert.match((await run(world.berlin, ["peer", "get", "lisbon"])).out, / accepted /);
  });

  await t.test("shows as numbers in JSON what scripts count with", async () => {
    const link = await linkOf(world.lisbon, "berlin");
    assert.equal(link.state, "Connected");
    assert.equal(link.path, "dialled");
    assert.equal(link.remoteAddress, "127.0.0.1");
    assert.equal(link.totals.links, 1);
    assert.ok(link.totals.bytesIn > 100 && link.totals.bytesOut > 100, JSON.stringify(link.totals));
    assert.deepEqual(link.pastCarriers, []);
    assert.ok(Date.parse(link.since) > Date.now() - 600_000);
  });

  await t.test("names a peer that is not there", async () => {
    const { code, err } = await lisbon("peer", "get", "porto");
    assert.equal(code, 3);
    assert.match(err, /porto/);
  });

  await t.test("tells why it was broken last, at a terminal and in a watch that goes on", async () => {
    const watch = start(world.lisbon, ["peer", "get", "berlin", "--watch"]);
    await watch.until((out) => /berlin +Connected/.test(out));
    way.cut();
    await watch.until((out) =>
      /berlin +Conn[\s\S]*berlin +(Connecting|Disconnected)[\s\S]*berlin +Connected/.test(out),
    );
    watch.interrupt();
    assert.equal((await watch.ended).code, 130);
    const link = await linkOf(world.lisbon, "berlin");
    assert.equal(link.pastCarriers[0].reason, "CARRIER_LOST");
    assert.equal(link.pastCarriers[0].by, "network");
    assert.equal(link.totals.links, 1, "it went on, and is no other link");
    assert.ok(link.totals.resumes >= 1);
    assert.equal(link.totals.carriers, link.totals.resumes + 1);
    const { out } = await run(world.lisbon, ["peer", "get", "berlin"], { interactive: true });
    assert.match(out, /Ended before +\d+s ago after \d+s: CARRIER_LOST: The connection to the other end was lost\./);
    assert.match((await lisbon("peer", "get", "berlin", "-o", "wide")).out, /\d+s ago, CARRIER_LOST/);
  });

  await t.test("tells the numbers anew as often as is asked for, and ends when the peer is removed", async () => {
    const watch = start(world.lisbon, ["peer", "get", "berlin", "--watch", "--every", "1s"]);
    await watch.until((out) => out.split("berlin ").length > 3);
    assert.equal((await lisbon("peer", "remove", "berlin", "--keep-workloads")).code, 0);
    const { code, err } = await watch.ended;
    assert.equal(code, 0, err);
    assert.match(err, /berlin is gone/);
  });
});

test("a peer of which an earlier agent tells no link is shown by its status", () => {
  const peer = create(PeerSchema, {
    metadata: { name: "old" },
    status: { link: { state: "Connected", path: "dialled" } },
  });
  const { columns, json, detail } = linkView(0);
  const row = { peer, link: undefined };
  assert.match(formatTable(columns, [row], { wide: true, head: false }).text, /^old +Connected +<none> +dialled /);
  assert.equal(Object.hasOwn(Object(json(row)), "link"), false);
  assert.doesNotMatch(detail?.(row) ?? "", /undefined/);
});

test("what a peer's link says is shown as one harmless line", () => {
  const link = create(LinkSchema, {
    peer: "west",
    state: "Disconnected",
    pastCarriers: [
      {
        at: new Date(0).toISOString(),
        ageMs: 61_000n,
        silentMs: 45_000n,
        reason: "SILENT",
        by: "us",
        message: "quiet\n\u001b[31mred",
      },
    ],
  });
  const text = linkView(60_000).detail?.({ peer: create(PeerSchema, { metadata: { name: "west" } }), link }) ?? "";
  assert.match(text, /Ended before +60s ago after 61s, silent for 45s: by this agent, SILENT: quiet red/);
});
