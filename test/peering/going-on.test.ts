/** Links whose carriers are cut, frozen and replaced: what runs on them does not notice, or is told. */
import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { MembershipService } from "../../src/gen/fairlead/peer/v1/membership_pb.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import { acquaint, createCuttable, createDisk, isConnected, startAgent, startCall, type TestAgent } from "./agents.ts";

/** What agents of these tests send back what comes of. */
const kubernetes = { case: "kubernetes", value: { $typeName: "fairlead.wire.v1.KubernetesTarget" } } as const;
const target = { $typeName: "fairlead.wire.v1.Target", kind: kubernetes, network: 0 } as const;

/** Two agents with a call between them, and no way any more; time stands still. */
async function startCut(t: TestContext) {
  const clock = createFakeClock(Date.now());
  const disk = createDisk();
  const a = await startAgent(t, { name: "aachen", clock });
  const way = await createCuttable(t, a.port);
  const b = await startAgent(t, { name: "berlin", clock, disk, reachable: false });
  await acquaint(a, b, { urlOfA: way.url, grants: ["apps"] });
  await Promise.all([a.connected("berlin"), b.connected("aachen")]);
  const call = await startCall(b, a, "logs");
  way.open = false;
  way.cut();
  await until("the loss is known", () => !isConnected(a.peering, "berlin") && !isConnected(b.peering, "aachen"));
  return { a, b, clock, way, disk, call };
}

function ask(from: TestAgent, peer: string): Promise<unknown> {
  return createClient(MembershipService, from.peering.switchboard.transport(peer)).getFacts({}, { signal: patience() });
}

function openLinks(agents: readonly TestAgent[]): number {
  return agents.reduce((sum, agent) => sum + agent.acceptor.stats().links, 0);
}

/** Sends all of it, ends, and gives what comes back until the end. */
async function exchange(stream: Duplex, data: Buffer): Promise<Buffer> {
  const all = buffer(stream);
  stream.end(data);
  return all;
}

test("told to reconnect, an agent opens the next carrier first, and what runs on the link does not notice", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin", reachable: false });
  await acquaint(a, b, { urlOfA: a.url, grants: ["tunnels"] });
  await Promise.all([a.connected("berlin"), b.connected("aachen")]);
  const { epoch, since } = b.peering.switchboard.status("aachen");
  const [link] = a.accepted;
  assert.ok(link);
  const stream = await b.peering.switchboard.dial("aachen", target);
  const losses: string[] = [];
  for (const agent of [a, b]) {
    agent.peering.switchboard.subscribe((_peer, { state }) => void (state === "connected" || losses.push(state)));
  }
  b.peering.switchboard.reconnect("aachen");
  await until("it goes on at another carrier", () => link.session.stats().carriers === 2);
  assert.equal(String(await exchange(stream, Buffer.from("still here"))), "still here");
  const status = b.peering.switchboard.status("aachen");
  assert.deepEqual([status.epoch, status.since, losses], [epoch, since, []]);
  assert.equal(openLinks([a, b]), 1);
});

test("a peer that is dialled elsewhere from now on is moved to, and what runs on the link does not notice", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const [one, other] = [await createCuttable(t, a.port), await createCuttable(t, a.port)];
  const b = await startAgent(t, { name: "berlin", reachable: false });
  await acquaint(a, b, { urlOfA: one.url, grants: ["tunnels"] });
  await b.connected("aachen");
  await a.connected("berlin");
  const stream = await b.peering.switchboard.dial("aachen", target);
  await b.peering.roster.update("aachen", (peer) => ({ ...peer, url: other.url }), patience());
  await until("it went on at the other way", () => a.accepted[0]?.session.stats().carriers === 2);
  one.open = false;
  one.cut();
  assert.equal(String(await exchange(stream, Buffer.from("still here"))), "still here");
  assert.deepEqual([one.attempts, other.attempts, b.peering.switchboard.status("aachen").epoch], [1, 1, 1]);
});

test("a cut link is dialled again at once and goes on: streams do not notice, and a call that came meanwhile is made", async (t) => {
  const clock = createFakeClock(Date.now());
  const a = await startAgent(t, { name: "aachen" });
  const way = await createCuttable(t, a.port);
  const b = await startAgent(t, { name: "berlin", clock, random: () => 0.5 });
  await acquaint(a, b, { urlOfA: way.url, grants: ["tunnels", "apps"] });
  await b.connected("aachen");
  await a.connected("berlin");
  const { epoch } = b.peering.switchboard.status("aachen");
  const stream = await b.peering.switchboard.dial("aachen", target);
  const call = await startCall(b, a, "logs");
  const { attempts } = way;
  way.cut();
  await until("the loss is known", () => !isConnected(b.peering, "aachen"));
  const lost = b.peering.switchboard.status("aachen");
  assert.deepEqual([lost.state, lost.held], ["connecting", true]);
  const answer = ask(b, "aachen");
  assert.equal(way.attempts, attempts);
  await clock.advance(50);
  await answer;
  assert.equal(way.attempts, attempts + 1);
  assert.equal(String(await exchange(stream, Buffer.from("still here"))), "still here");
  await a.connected("berlin");
  for (const [agent, peer] of [
    [a, "berlin"],
    [b, "aachen"],
  ] as const) {
    assert.equal(agent.peering.switchboard.status(peer).epoch, epoch, agent.name);
  }
  assert.equal(a.rpc.running > 0, true);
  await a.peering.remove("berlin", { workloads: "Keep" }, patience());
  assert.equal((await call.ended).code, Code.Unavailable);
});

test("a link that finds no other carrier within 60 s is over at both ends, and all that ran on it was cut and says so", async (t) => {
  const { a, b, clock, way, call } = await startCut(t);
  for (const [agent, peer] of [
    [a, "berlin"],
    [b, "aachen"],
  ] as const) {
    assert.equal(agent.peering.switchboard.status(peer).held, true, agent.name);
  }
  assert.ok(a.rpc.running > 0, "the call goes on");
  for (let s = 0; s < 61; s += 1) await clock.advance(1_000);
  const error = await call.ended;
  assert.equal(error.code, Code.Unavailable);
  assert.equal(error.metadata.get("fairlead-reason"), "SESSION_LOST");
  await until("nothing runs at the other end", () => a.rpc.running === 0);
  assert.equal(b.peering.switchboard.status("aachen").held, false);
  way.open = true;
  for (let s = 0; !isConnected(b.peering, "aachen") && s < 60; s += 1) await clock.advance(1_000);
  await until("there is another link", () => isConnected(a.peering, "berlin") && isConnected(b.peering, "aachen"));
  assert.equal(b.peering.switchboard.status("aachen").epoch, 2);
});

test("a peer that is removed while its link has no carrier is cut at once, with what runs", async (t) => {
  const { a, b, clock, way, call } = await startCut(t);
  await a.peering.remove("berlin", { workloads: "Keep" }, patience());
  await until("nothing runs any more", () => a.rpc.running === 0);
  way.open = true;
  for (let s = 0; !isConnected(b.peering, "aachen") && s < 60; s += 1) await clock.advance(1_000);
  const error = await call.ended;
  assert.equal(error.metadata.get("fairlead-reason"), "SESSION_LOST");
});

test("a right that is withdrawn while the link has no carrier ends what used it, at once here and at the other end when it goes on", async (t) => {
  const { a, b, clock, way, call } = await startCut(t);
  const running = a.rpc.running;
  await a.peering.roster.update("berlin", (peer) => ({ ...peer, grants: [] }), patience());
  await until("the call has ended here", () => a.rpc.running < running);
  way.open = true;
  for (let s = 0; !isConnected(b.peering, "aachen") && s < 60; s += 1) await clock.advance(1_000);
  assert.equal((await call.ended).metadata.get("fairlead-reason"), "REVOKED");
  assert.equal(b.peering.switchboard.status("aachen").epoch, 1, "and the link goes on");
});

test("a new start of a peer whose process died without a word takes over at once, and what ran with the old one ends", async (t) => {
  const { a, b, way, disk } = await startCut(t);
  // What it was doing with the process that died does not wait until that is given up.
  const { instance, epoch } = a.peering.switchboard.status("berlin");
  const running = a.rpc.running;
  await b.acceptor.close();
  way.open = true;
  const fresh = await startAgent(t, { name: "berlin", disk });
  await fresh.connected("aachen");
  await until("it took over", () => a.peering.switchboard.status("berlin").instance !== instance);
  const status = a.peering.switchboard.status("berlin");
  assert.deepEqual([status.state, status.epoch], ["connected", epoch + 1]);
  await until("the call of the dead one is over", () => a.rpc.running < running);
  assert.deepEqual(
    a.audited.filter(({ rule }) => rule === "duplicate-instance"),
    [],
  );
});

test("an agent that leaves does not wait long for a link without a carrier", async (t) => {
  const { a, clock } = await startCut(t);
  let isOver = false;
  void a.peering.drain(600_000).then(() => {
    isOver = true;
  });
  for (let s = 0; s < 5 && !isOver; s += 1) await clock.advance(1_000);
  assert.equal(isOver, true);
  await until("nothing runs any more", () => a.rpc.running === 0);
});

test("the link on which two have paired goes on too", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const way = await createCuttable(t, a.port);
  const b = await startAgent(t, { name: "berlin", reachable: false });
  await b.join(await a.invite({ grants: ["tunnels"], url: way.url }));
  await a.connected("berlin");
  await b.connected("aachen");
  const stream = await b.peering.switchboard.dial("aachen", target);
  way.cut();
  assert.equal(String(await exchange(stream, Buffer.from("still here"))), "still here");
  assert.equal(b.peering.switchboard.status("aachen").epoch, 1);
});
