import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { MembershipService } from "../../src/gen/fairlead/peer/v1/membership_pb.ts";
import type { Link } from "../../src/link/link.ts";
import { Reason } from "../../src/wire/reason.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience, until } from "../patience.ts";
import {
  acquaint,
  createCuttable,
  createDisk,
  isConnected,
  startAgent,
  startCall,
  startPair,
  startTimelessPair,
  type TestAgent,
} from "./agents.ts";

function ask(from: TestAgent, peer: string): Promise<unknown> {
  return createClient(MembershipService, from.peering.switchboard.transport(peer)).getFacts({}, { signal: patience() });
}

/** Makes one call after the other in both directions; `end` gives their number, and throws if one failed. */
function keepCalling([a, b]: [TestAgent, TestAgent]): { end(): Promise<number> } {
  let calling = true;
  const run = async (from: TestAgent, peer: string): Promise<number> => {
    let count = 0;
    while (calling) {
      await ask(from, peer);
      count += 1;
    }
    return count;
  };
  const runs = Promise.all([run(a, b.name), run(b, a.name)]);
  runs.catch(() => undefined);
  return {
    async end() {
      calling = false;
      return Math.min(...(await runs));
    },
  };
}

function openLinks(agents: readonly TestAgent[]): number {
  return agents.reduce((sum, agent) => sum + agent.acceptor.stats().links, 0);
}

test("when both dial at once they end with one link, the same at both ends, and no call is lost", async (t) => {
  await Promise.all([1, 2, 3, 4].map(() => race(t, 5)));
});

async function race(t: TestContext, rounds: number): Promise<void> {
  const a = await startAgent(t, { name: "aachen" });
  const b = await startAgent(t, { name: "berlin" });
  for (let round = 0; round < rounds; round += 1) {
    await acquaint(a, b, { urlOfA: a.url, urlOfB: b.url });
    await Promise.all([a.connected("berlin"), b.connected("aachen")]);
    await Promise.all([ask(a, "berlin"), ask(b, "aachen")]);
    const calling = keepCalling([a, b]);
    await until("one link is left", () => openLinks([a, b]) === 1);
    assert.ok((await calling.end()) > 0);
    await until("both mean the same link", () => {
      const here = a.peering.switchboard.status("berlin");
      const there = b.peering.switchboard.status("aachen");
      return here.state === "connected" && there.state === "connected" && here.path !== there.path;
    });
    for (const agent of [a, b]) {
      for (const { name } of agent.peering.roster.list()) agent.disk.peers.delete(name);
      await until("it is forgotten", () => agent.peering.roster.list().length === 0);
    }
    await until("no link is left", () => openLinks([a, b]) === 0);
  }
}

test("without a link calls and dials end at once, and say since when and why", async (t) => {
  const clock = createFakeClock(Date.now());
  const a = await startAgent(t, { name: "aachen" });
  const way = await createCuttable(t, a.port);
  const b = await startAgent(t, { name: "berlin", clock, random: () => 0 });
  await acquaint(a, b, { urlOfA: way.url });
  await b.connected("aachen");
  way.open = false;
  const lostAt = new Date(clock.now()).toISOString().slice(0, 16);
  way.cut();
  await until("the loss is known", () => !isConnected(b.peering, "aachen"));
  const { attempts } = way;
  // In small steps: the wait for the next attempt begins when one has failed, and nobody can say how soon it does.
  for (let ms = 0; ms < 12_000; ms += 100) await clock.advance(100);
  await until("it was tried", () => way.attempts > attempts);
  await until("it is given up for now", () => b.peering.switchboard.status("aachen").state === "disconnected");
  const unreachable = new RegExp(`aachen has been unreachable since ${lostAt}`);
  await assert.rejects(ask(b, "aachen"), (error) => {
    return error instanceof ConnectError && error.code === Code.Unavailable && unreachable.test(error.message);
  });
  await assert.rejects(b.peering.switchboard.dial("aachen", target), {
    reason: Reason.UNREACHABLE,
    message: unreachable,
  });
  const status = await until("the status says so", () => {
    const found = b.disk.peers.statuses.get("aachen");
    return found?.link?.state === "Disconnected" ? found : undefined;
  });
  assert.equal(status.conditions[0]?.reason, "Unreachable");

  way.open = true;
  b.peering.switchboard.reconnect("aachen");
  await b.connected("aachen");
});

test("a peer that is not known is named, by calls and by dials", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  await assert.rejects(ask(a, "nonesuch"), (error) => error instanceof ConnectError && error.code === Code.NotFound);
  assert.throws(() => a.peering.switchboard.status("nonesuch"), { code: "not-found" });
});

test("an agent whose peer has no URL never dials, and is reached again when the other dials", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const way = await createCuttable(t, a.port);
  const b = await startAgent(t, { name: "berlin", reachable: false });
  await acquaint(a, b, { urlOfA: way.url });
  await a.connected("berlin");
  way.cut();
  await until("a knows", () => !isConnected(a.peering, "berlin"));
  assert.equal(b.accepted.length, 0);
  b.peering.switchboard.reconnect("aachen");
  await a.connected("berlin");
  assert.equal(b.accepted.length, 0);
});

test("an agent that starts anew takes its link over from the process before", async (t) => {
  const disk = createDisk();
  const a = await startAgent(t, { name: "aachen" });
  const first = await startAgent(t, { name: "berlin", disk });
  await acquaint(a, first, { urlOfA: a.url });
  await a.connected("berlin");
  const { instance } = a.peering.switchboard.status("berlin");
  await first.close();
  const second = await startAgent(t, { name: "berlin", disk });
  await second.connected("aachen");
  await until("it is the new one", () => {
    const status = a.peering.switchboard.status("berlin");
    return status.state === "connected" && status.instance !== instance;
  });
  await ask(a, "berlin");
});

test("a second living agent with the same identity is refused and named, and the first keeps its link", async (t) => {
  const disk = createDisk();
  const a = await startAgent(t, { name: "aachen" });
  const first = await startAgent(t, { name: "berlin", disk });
  await acquaint(a, first, { urlOfA: a.url });
  await a.connected("berlin");
  const { instance, epoch } = a.peering.switchboard.status("berlin");
  await startAgent(t, { name: "berlin", disk });
  const refused = await until("the copy came", () => a.accepted[1]);
  const end = await refused.closed;
  assert.equal(end.reason, Reason.DUPLICATE_INSTANCE);
  assert.match(
    end.message,
    /Two living agents have the identity of berlin: instance \w{8} \(.*\) holds the link, instance/,
  );
  const status = a.peering.switchboard.status("berlin");
  assert.deepEqual([status.instance, status.epoch, status.state], [instance, epoch, "connected"]);
  assert.match(status.lastError ?? "", /One is a copy/);
  assert.equal(a.audited.at(-1)?.rule, "duplicate-instance");
  await ask(a, "berlin");
});

test("a new start takes over from one that does not answer any more", async (t) => {
  const clock = createFakeClock(Date.now());
  const disk = createDisk();
  const a = await startAgent(t, { name: "aachen", clock });
  const way = await createCuttable(t, a.port);
  const first = await startAgent(t, { name: "berlin", disk });
  await acquaint(a, first, { urlOfA: way.url });
  await a.connected("berlin");
  await first.connected("aachen");
  const { instance } = a.peering.switchboard.status("berlin");
  way.freeze();
  const second = await startAgent(t, { name: "berlin", disk });
  await until("the new one came", () => a.accepted.length > 1);
  const answer = ask(second, "aachen");
  await clock.advance(5_000);
  await answer;
  await until("it took over", () => a.peering.switchboard.status("berlin").instance !== instance);
});

test("removing a peer ends the link, what runs on it, and the pairing on both sides at once", async (t) => {
  const { a, b } = await startTimelessPair(t, ["apps"]);
  const calls = [await startCall(a, b), await startCall(b, a)];
  const outcome = await a.peering.remove("berlin", { workloads: "Delete", person: "ada" }, patience());
  assert.deepEqual(outcome, { told: true });
  for (const { ended } of calls) assert.equal((await ended).code, Code.Unavailable);
  assert.equal(a.peering.roster.get("berlin"), undefined);
  assert.deepEqual(pick(a.disk.peers.stored.get("berlin")?.removal), { workloads: "Delete", forced: false });
  await until("b has forgotten a", () => b.peering.roster.list().length === 0);
  assert.deepEqual(pick(b.disk.peers.stored.get("aachen")?.removal), { workloads: "Keep", forced: false });
  assert.equal(a.audited.at(-1)?.actor.person, "ada");
  assert.equal(b.audited.at(-1)?.action, "peer.leave");
  await until("no link is left", () => openLinks([a, b]) === 0);
});

test("a peer that is away is removed by force, and refused when it comes", async (t) => {
  const a = await startAgent(t, { name: "aachen" });
  const way = await createCuttable(t, a.port);
  const b = await startAgent(t, { name: "berlin", reachable: false, clock: createFakeClock(Date.now()) });
  await acquaint(a, b, { urlOfA: way.url });
  await b.connected("aachen");
  way.open = false;
  way.cut();
  await until("a knows", () => !isConnected(a.peering, "berlin"));
  assert.deepEqual(await a.peering.remove("berlin", { workloads: "Keep" }, patience()), { told: false });
  assert.equal(a.disk.peers.stored.get("berlin")?.removal?.forced, true);
  await assert.rejects(a.peering.remove("berlin", { workloads: "Keep" }, patience()), { code: "not-found" });

  way.open = true;
  b.peering.switchboard.reconnect("aachen");
  const status = await until("b is told", () => {
    const found = b.peering.switchboard.status("aachen");
    return found.lastError?.includes("does not know this agent as its peer") ? found : undefined;
  });
  assert.equal(status.state, "disconnected");
  await assert.rejects(ask(b, "aachen"), /unreachable since .*remove it here, or pair again/);
});

test("a Peer that is deleted with kubectl is cut within a second, with what runs", async (t) => {
  const { a, b } = await startTimelessPair(t, ["apps"]);
  const { ended } = await startCall(b, a);
  const links: Link[] = [...a.accepted, ...b.accepted];
  a.disk.peers.delete("berlin");
  const error = await ended;
  assert.match(error.message, /does not know the other as its peer any more/);
  assert.ok(links.length > 0);
  for (const link of links) await link.closed;
});

test("an agent that drains says so, and its peer looks for another link", async (t) => {
  const { a, b } = await startPair(t);
  const drained = b.peering.drain(600_000); // What both keep open by themselves is over within a round trip.
  await until("a knows", () => !isConnected(a.peering, "berlin"));
  await drained;
  assert.match(a.peering.switchboard.status("berlin").lastError ?? "", /This agent is stopping/);
});

function pick(removal: { workloads: string; forced: boolean } | undefined): object | undefined {
  return removal && { workloads: removal.workloads, forced: removal.forced };
}

const kubernetes = { case: "kubernetes", value: { $typeName: "fairlead.wire.v1.KubernetesTarget" } } as const;
/** What agents of these tests send back what comes of. */
const target = { $typeName: "fairlead.wire.v1.Target", kind: kubernetes, network: 0 } as const;
