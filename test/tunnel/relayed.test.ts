import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { MembershipService } from "../../src/gen/fairlead/peer/v1/membership_pb.ts";
import { KubernetesTargetSchema, TargetSchema } from "../../src/gen/fairlead/wire/v1/target_pb.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { createCuttable, type TestAgent } from "../peering/agents.ts";
import { policyOf } from "../policy/given.ts";
import { pairThrough, startHub, startThreeAgents } from "./three-agents.ts";

const echo = create(TargetSchema, { kind: { case: "kubernetes", value: create(KubernetesTargetSchema) } });

function dial(from: TestAgent, peer: string): Promise<Duplex> {
  return from.peering.switchboard.dial(peer, echo, { signal: patience() });
}

function sha(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("two agents that can only dial out pair through a third by an invite, and both know the way afterwards", async (t) => {
  const world = await startThreeAgents(t);
  const { a, b, hub } = world;
  const { line, record } = await b.peering.invites.create({ relays: ["hub"], grants: ["apps"] }, patience());
  assert.deepEqual([record.urls, record.relays], [[], ["hub"]]);
  const steps = await a.join(line);
  assert.deepEqual(
    steps.map((step) => (step.step === "dialling" ? step.way : step.step)),
    ["through hub", "proved", "joined"],
  );
  for (const [agent, peer] of [
    [a, "berlin"],
    [b, "aachen"],
  ] as const) {
    await agent.connected(peer);
    const { relays, url } = agent.peering.roster.get(peer) ?? {};
    assert.deepEqual([relays, url], [["hub"], undefined]);
    assert.equal(agent.peering.switchboard.status(peer).path, "through hub");
    await until("its status says so", () => agent.disk.peers.statuses.get(peer)?.link?.path === "through hub");
  }
  assert.deepEqual(b.peering.roster.get("aachen")?.grants, ["apps"]);
  assert.equal(hub.agent.peering.roster.list().length, 2, "the one between has got no peer by it");
});

test("calls and streams pass through the third agent, which sees none of what they say", async (t) => {
  const secret = Buffer.from("the quick brown fox jumps over the lazy dog");
  const world = await startThreeAgents(t, { look: true });
  const { a, b, hub } = world;
  await pairThrough(world, ["apps"]);
  const client = createClient(MembershipService, a.peering.switchboard.transport("berlin"));
  assert.equal((await client.getFacts({}, { signal: patience() })).facts.architecture, "test");
  const stream = await dial(a, "berlin");
  const bytes = Buffer.concat([randomBytes(1_500_000), secret, randomBytes(1_500_000), secret]);
  const echoed = buffer(stream);
  stream.end(bytes);
  assert.equal(sha(await echoed), sha(bytes));
  assert.deepEqual(
    b.dialled.map(({ fingerprint, peer }) => [fingerprint, peer]),
    [[a.fingerprint, "aachen"]],
    "who calls is the agent behind, and not the one between",
  );
  const passed = Buffer.concat(hub.seen);
  assert.ok(passed.length > 3_000_000, "it all passed there");
  assert.equal(passed.indexOf(secret), -1);
  assert.equal(passed.indexOf("fairlead.peer.v1"), -1);
  assert.deepEqual(
    hub.relay
      .traffic()
      .filter(({ bytes }) => bytes > 3_000_000)
      .map(({ from, to }) => `${from} ${to}`)
      .sort(),
    ["aachen berlin", "berlin aachen"],
  );
});

test("off unless said: without a policy the invite cannot be used, and who tries hears what to do and who can", async (t) => {
  const world = await startThreeAgents(t);
  const { a, b, hub } = world;
  hub.policy = policyOf();
  const { line } = await b.peering.invites.create({ relays: ["hub"] }, patience());
  await assert.rejects(a.join(line), {
    code: "unreachable",
    message: /Through hub: The relay refused: .*for peer aachen; .*relay\.allow: true \(rule: relay\/allow\)/,
  });
  assert.equal(a.peering.roster.get("berlin"), undefined);
  const denied = hub.agent.audited.find(({ action }) => action === "relay.open");
  assert.deepEqual([denied?.verdict, denied?.rule, denied?.actor.peer], ["denied", "relay/allow", "aachen"]);
});

test("no peer brings strangers unasked: without the grant its carriers are refused, and an invite by it is not made", async (t) => {
  const world = await startThreeAgents(t);
  const { a, b } = world;
  const { line } = await b.peering.invites.create({ relays: ["hub"] }, patience());
  await b.peering.roster.update("hub", (peer) => ({ ...peer, grants: [] }), patience());
  await assert.rejects(a.join(line), {
    message: /The agent behind the relay refused: peer hub has no grant "relay" here.*fairlead peer grant hub relay/,
  });
  const refused = b.audited.find(({ action }) => action === "relay.bring");
  assert.deepEqual([refused?.verdict, refused?.rule, refused?.actor.peer], ["denied", "grants/relay", "hub"]);
  const again = b.peering.invites.create({ relays: ["hub"] }, patience());
  await assert.rejects(again, { code: "precondition", message: /fairlead peer grant hub relay --add/ });
  await assert.rejects(b.peering.invites.create({ relays: ["nobody"] }, patience()), { code: "not-found" });
});

test("who is not paired with the relay of an invite hears that, before anything is dialled", async (t) => {
  const world = await startThreeAgents(t);
  const { a, b, hub } = world;
  const { line } = await b.peering.invites.create({ relays: ["hub"] }, patience());
  await a.peering.remove("hub", { workloads: "Keep" }, patience());
  await assert.rejects(a.join(line), {
    code: "precondition",
    message: new RegExp(`not paired with \\(its fingerprint begins with ${hub.agent.fingerprint.slice(0, 16)}\\)`),
  });
});

test("a right that is withdrawn at the relay, or a grant at the other end, ends the link at once", async (t) => {
  for (const withdraw of ["policy", "grant"] as const) {
    // No timer comes unless time is moved on.
    const clock = createFakeClock(Date.now());
    const world = await startThreeAgents(t, { a: { clock }, b: { clock }, hub: { clock } });
    const { a, b, hub } = world;
    await pairThrough(world);
    // What it dials itself through the hub is its own choice; only the other way needs the other's grant.
    await a.peering.roster.update("hub", (peer) => ({ ...peer, grants: [] }), patience());
    assert.equal(hub.relay.size, 1);
    if (withdraw === "policy") {
      hub.policy = policyOf();
      hub.relay.review();
    } else await b.peering.roster.update("hub", (peer) => ({ ...peer, grants: [] }), patience());
    await until("nothing is carried", () => hub.relay.size === 0);
    await until("it is told", () => a.peering.switchboard.status("berlin").state !== "connected");
    const rule = withdraw === "policy" ? "relay/allow" : "grants/relay";
    const at = withdraw === "policy" ? hub.agent : b;
    const entry = at.audited.find(({ action }) => action === "relay.revoke");
    assert.deepEqual([entry?.verdict, entry?.rule], ["done", rule]);
    await clock.advance(1_000);
    await until("and the next attempt is refused", () =>
      a.peering.switchboard.status("berlin").lastError?.includes(`(rule: ${rule})`),
    );
  }
});

test("when the relay goes the link through it is lost, and when it comes back the link goes on, with what ran on it", async (t) => {
  const world = await startThreeAgents(t);
  const { a, b, hub } = world;
  await pairThrough(world);
  const { disk, port } = hub.agent;
  const bytes = randomBytes(2_000_000);
  const stream = await dial(a, "berlin");
  const echoed = buffer(stream);
  stream.write(bytes.subarray(0, 1_000_000));
  await until("it is under way", () => hub.relay.traffic().some((flow) => flow.bytes > 500_000));
  await hub.close();
  const lost = (agent: TestAgent, peer: string): boolean =>
    agent.peering.switchboard.status(peer).state !== "connected";
  await until("both notice", () => lost(a, "berlin") && lost(b, "aachen"));
  await startHub(t, { disk, port });
  await a.connected("berlin");
  await b.connected("aachen");
  stream.end(bytes.subarray(1_000_000));
  assert.equal(sha(await echoed), sha(bytes));
});

test("a direct carrier takes the relayed one's place as soon as one works, and a relayed one that of a direct one that is lost: no stream notices", async (t) => {
  const world = await startThreeAgents(t);
  const { a, b } = world;
  await pairThrough(world);
  const way = await createCuttable(t, b.port);
  way.open = false;
  await a.peering.roster.update("berlin", (peer) => ({ ...peer, url: way.url }), patience());
  await until("it is tried", () => way.attempts > 0);
  const path = (): string | undefined => a.peering.switchboard.status("berlin").path;
  assert.equal(path(), "through hub");

  const stream = await dial(a, "berlin");
  const pieces = Array.from({ length: 60 }, () => randomBytes(50_000));
  const echoed = buffer(stream);
  const write = async (piece: Buffer): Promise<void> => {
    if (!stream.write(piece)) await once(stream, "drain", { signal: patience() });
  };
  for (const piece of pieces.slice(0, 20)) await write(piece);
  const before = a.peering.switchboard.status("berlin").epoch;

  way.open = true;
  a.peering.switchboard.reconnect("berlin");
  for (const piece of pieces.slice(20, 40)) await write(piece);
  await until("it is direct", () => path() === "dialled");
  await until("at the other end too", () => b.peering.switchboard.status("aachen").path === "accepted");
  await until("nothing is carried any more", () => world.hub.relay.size === 0);

  way.open = false;
  way.cut();
  for (const piece of pieces.slice(40)) await write(piece);
  stream.end();
  assert.equal(sha(await echoed), sha(Buffer.concat(pieces)));
  await until("it goes through the relay again", () => path() === "through hub");
  assert.equal(a.peering.switchboard.status("berlin").epoch, before, "it is the same link all along");
});

test("when the relay is back, links through it are dialled at once; when it is lost, those that may be reached directly are", async (t) => {
  // No timer ever comes: what happens is done at once.
  const clock = createFakeClock(Date.now());
  const world = await startThreeAgents(t, { a: { clock }, b: { clock }, hub: { clock } });
  const { a, b, hub } = world;
  await pairThrough(world);
  const { disk, port } = hub.agent;
  const path = (): string | undefined => {
    const { state, path } = a.peering.switchboard.status("berlin");
    return state === "connected" ? path : undefined;
  };
  await hub.close();
  await until("it is lost", () => path() === undefined);
  // A new process counts its connections from the time of day, which is not the one before's.
  clock.jump(1_000);
  const again = await startHub(t, { disk, port, clock });
  for (const agent of [a, b]) agent.peering.switchboard.reconnect("hub");
  await until("it goes on through the relay", () => path() === "through hub");

  const way = await createCuttable(t, b.port);
  way.open = false;
  await a.peering.roster.update("berlin", (peer) => ({ ...peer, url: way.url }), patience());
  await until("it is tried", () => way.attempts > 0);
  await until("and said why not", () =>
    /It is not dialled directly/.test(a.peering.switchboard.status("berlin").lastError ?? ""),
  );
  assert.equal(path(), "through hub");
  way.open = true;
  await again.close();
  await until("it is direct", () => path() === "dialled");
});

test("while a direct link stands nothing goes through a relay, whatever fails", async (t) => {
  const world = await startThreeAgents(t);
  const { a, b, hub } = world;
  await pairThrough(world);
  const way = await createCuttable(t, b.port);
  await a.peering.roster.update("berlin", (peer) => ({ ...peer, url: way.url }), patience());
  await until("it is direct", () => a.peering.switchboard.status("berlin").path === "dialled");
  await until("nothing is carried any more", () => hub.relay.size === 0);
  way.open = false;
  const opened = hub.agent.audited.filter(({ action }) => action === "relay.open").length;
  const { attempts } = way;
  a.peering.switchboard.reconnect("berlin");
  b.peering.switchboard.reconnect("aachen");
  await until("it is tried and fails", () => way.attempts > attempts);
  const client = createClient(MembershipService, a.peering.switchboard.transport("berlin"));
  await client.getFacts({}, { signal: patience() });
  assert.equal(hub.agent.audited.filter(({ action }) => action === "relay.open").length, opened);
  assert.equal(a.peering.switchboard.status("berlin").path, "dialled");
});

test("no relay stands behind another: who is reached through one is none for others", async (t) => {
  const world = await startThreeAgents(t);
  const { a, b } = world;
  await pairThrough(world, ["relay"]);
  assert.equal(b.peering.switchboard.through("aachen"), "hub");
  await assert.rejects(a.peering.invites.create({ relays: ["berlin"] }, patience()), {
    code: "precondition",
    message: /reached through hub itself/,
  });
});
