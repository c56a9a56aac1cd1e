/** One app at many peers: where it goes, how it is told, and how it leaves. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import type { WorkloadOrigin } from "../../src/workloads/origin/origin.ts";
import type { Released } from "../../src/workloads/origin/releases.ts";
import {
  app,
  applyApp,
  deleteApp,
  deployments,
  findApp,
  hostIsEmpty,
  never,
  phaseOf,
  setPolicy,
  statusOf,
} from "./story.ts";
import { Town } from "./town.ts";

const hosts = ["osaka", "kyoto", "nara"];

/** tokyo is the origin, with three hosts that it calls so. */
async function startThree(t: TestContext, labels: Record<string, string> = {}): Promise<Town> {
  const town = new Town();
  for (const host of hosts) {
    town.pair("tokyo", host);
    town.agent("tokyo").peering.set(host, { labels: { ...labels, name: host } });
    town.agent("tokyo").peering.said.set(host, { version: "1", region: host === "nara" ? "south" : "north" });
  }
  t.after(() => town.close());
  for (const name of ["tokyo", ...hosts]) town.agent(name).start();
  for (const host of hosts) await town.connect("tokyo", host);
  return town;
}

function place(town: Town, name: string, placement: JsonObject, spec: JsonObject = {}): void {
  const whole = { count: 1, move: "Gone", unreachableSeconds: 300, ...placement };
  applyApp(town, name, { placement: whole, ...spec });
}

function heldBy(town: Town, name: string): string | null | undefined {
  return findApp(town, name)?.metadata.annotations?.["fairlead.dev/held-by"];
}

function running(town: Town): string[] {
  return hosts.filter((host) => deployments(town, host).length > 0);
}

function atPeers(town: Town, name: string): JsonObject[] {
  const { peers } = statusOf(town, name);
  return Array.isArray(peers) ? peers.filter(isJsonObject) : [];
}

test("an app at every peer is told by peer and as a whole, and is the worst that it is anywhere", async (t) => {
  const town = await startThree(t);
  place(town, "web", { count: 0 }, { replicas: 2 });
  await town.until("Ready everywhere", () => phaseOf(town, "web") === "Ready");
  const status = statusOf(town, "web");
  assert.equal(heldBy(town, "web"), "kyoto,nara,osaka");
  assert.deepEqual(
    [status.replicas, status.readyReplicas, status.peer, status.hostNamespace],
    [6, 6, undefined, undefined],
  );
  assert.deepEqual(
    atPeers(town, "web").map(({ peer, phase, readyReplicas, desiredReplicas, hostNamespace }) => [
      peer,
      phase,
      readyReplicas,
      desiredReplicas,
      hostNamespace,
    ]),
    ["kyoto", "nara", "osaka"].map((host) => [host, "Ready", 2, 2, "fairlead-peer-tokyo"]),
  );
  const pods = Array.isArray(status.pods) ? status.pods.filter(isJsonObject) : [];
  assert.deepEqual(pods.map(({ peer }) => peer).sort(), ["kyoto", "kyoto", "nara", "nara", "osaka", "osaka"]);

  await town.cut("tokyo", "nara");
  await town.until("Unknown", () => phaseOf(town, "web") === "Unknown");
  assert.match(String(statusOf(town, "web").message), /^Ready at 2 of 3 peers\. At nara: There has been no link/);
  assert.equal(heldBy(town, "web"), "kyoto,nara,osaka", "what is away is not left");
  await town.connect("tokyo", "nara");
  await town.until("Ready again", () => phaseOf(town, "web") === "Ready");

  deleteApp(town, "web");
  await town.until(
    "all gone",
    () => findApp(town, "web") === undefined && hosts.every((host) => hostIsEmpty(town, host)),
  );
});

test("an app stays where it is while other peers come, and moves when its peer is not chosen any more, ended there first", async (t) => {
  const town = await startThree(t);
  place(town, "web", { selector: { matchLabels: { name: "osaka" } } });
  await town.until("Ready at osaka", () => phaseOf(town, "web") === "Ready");
  assert.deepEqual([statusOf(town, "web").peer, running(town)], ["osaka", ["osaka"]]);

  place(town, "web", {});
  await town.until(
    "seen",
    () => app(town, "web").metadata.generation === 2 && statusOf(town, "web").observedGeneration === 2,
  );
  assert.deepEqual(running(town), ["osaka"], "nothing speaks against it");

  const most = { running: 0 };
  place(town, "web", { facts: { region: "south" } });
  await town.until("at nara", () => {
    most.running = Math.max(most.running, running(town).length);
    return running(town).join() === "nara" && phaseOf(town, "web") === "Ready";
  });
  assert.equal(most.running, 1, "never at two");
  assert.equal(heldBy(town, "web"), "nara");
});

test("a peer that refuses is left for one that says that it would take the app, and only then", async (t) => {
  const town = await startThree(t);
  const refuse = (host: string): void => setPolicy(town, { images: [{ pattern: "nothing/*" }] }, host);
  for (const host of hosts) refuse(host);
  place(town, "web", {});
  await town.until("Denied", () => phaseOf(town, "web") === "Denied");
  const first = heldBy(town, "web");
  await town.clock.advance(100_000);
  assert.equal(heldBy(town, "web"), first, "there is no better one");

  const other = hosts.find((host) => host !== first) ?? "";
  setPolicy(town, { images: null }, other);
  await town.until("Ready elsewhere", () => phaseOf(town, "web") === "Ready", 3_600_000);
  assert.deepEqual([heldBy(town, "web"), running(town)], [other, [other]]);
});

test("an app whose peers are too few says how many there are, and goes to the next that comes", async (t) => {
  const town = await startThree(t);
  await town.cut("tokyo", "nara");
  place(town, "web", { facts: { region: "south" } });
  await town.until("NoPeer", () => statusOf(town, "web").reason === "NoPeer");
  assert.match(
    String(statusOf(town, "web").message),
    /1 peer has the labels and facts that placement asks for, 0 of them connected/,
  );
  await town.connect("tokyo", "nara");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  place(town, "web", { count: 3, facts: { region: "north" } });
  await town.until("TooFewPeers", () => statusOf(town, "web").reason === "TooFewPeers" && running(town).length === 2);
  assert.deepEqual(running(town), ["osaka", "kyoto"]);
});

test("before a peer is removed, what may run elsewhere has ended there, and nobody else has it before", async (t) => {
  const town = await startThree(t);
  const origin = (): WorkloadOrigin => town.agent("tokyo").workloads.origin;
  place(town, "web", {});
  place(town, "stays", { move: "Never", selector: { matchLabels: { name: "osaka" } } });
  applyApp(town, "named");
  await town.until("Ready", () => ["web", "stays", "named"].every((name) => phaseOf(town, name) === "Ready"));
  const first = String(heldBy(town, "web"));
  let most = 0;
  const at = (name: string): string[] =>
    hosts.filter((host) => deployments(town, host).some(({ metadata }) => metadata.name?.startsWith(`${name}-`)));
  let released: Released | undefined;
  void origin()
    .release(first, never)
    .then((one) => {
      released = one;
    });
  await town.until("released", () => {
    most = Math.max(most, at("web").length);
    return released !== undefined && phaseOf(town, "web") === "Ready";
  });
  assert.equal(most, 1, "never at two");
  assert.notEqual(heldBy(town, "web"), first, "until it is removed, nothing goes back there");
  assert.equal(released?.ended, 1);
  // What is bound to the peer stays with it.
  assert.equal(released?.left, first === "osaka" ? 2 : 0);
  assert.deepEqual([at("stays"), at("named")], [["osaka"], ["osaka"]]);

  released?.done();
  place(town, "web", { selector: { matchLabels: { name: first } } });
  await town.until("it may come again", () => heldBy(town, "web") === first && phaseOf(town, "web") === "Ready");
});

test("a peer that does not end what it runs is removed after a while all the same, and at once without a link", async (t) => {
  const town = await startThree(t);
  place(town, "web", {}, { terminationGracePeriodSeconds: 5 });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const first = String(heldBy(town, "web"));
  town.hold("tokyo", first, true);
  const { origin } = town.agent("tokyo").workloads;
  const begun = town.clock.now();
  let endedAfter = 0;
  let released: Released | undefined;
  void origin.release(first, never).then((one) => {
    released = one;
    endedAfter = town.clock.now() - begun;
  });
  await town.until("given up", () => released !== undefined);
  assert.deepEqual([released?.ended, released?.left], [0, 1]);
  assert.ok(endedAfter >= 15_000 && endedAfter < 20_000, `after ${endedAfter} ms`);
  released?.done();

  await town.cut("tokyo", first);
  const { ended, left } = await origin.release(first, never);
  assert.deepEqual([ended, left], [0, 1]);
});

test("a peer that is removed is left to itself, and the app goes elsewhere", async (t) => {
  const town = await startThree(t);
  place(town, "web", {});
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const first = String(heldBy(town, "web"));
  await town.cut("tokyo", first);
  town.agent("tokyo").peering.set(first, undefined);
  await town.until("elsewhere", () => phaseOf(town, "web") === "Ready" && heldBy(town, "web") !== first);
});

test("an origin that starts anew goes on where it was, whatever it knew before", async (t) => {
  const town = await startThree(t);
  place(town, "web", { count: 2 });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const holders = heldBy(town, "web");
  await town.stop("tokyo");
  town.agent("tokyo").peering.said.clear();
  town.agent("tokyo").start();
  for (const host of hosts) {
    await town.cut("tokyo", host);
    await town.connect("tokyo", host);
  }
  await town.clock.advance(30_000);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.equal(heldBy(town, "web"), holders);
});

test("an app that brings its images goes to a peer that says that its nodes can pull them, if there is one", async (t) => {
  const town = await startThree(t);
  for (const host of hosts) {
    town.agent("tokyo").peering.said.set(host, { features: host === "nara" ? "leases,images" : "leases" });
    setPolicy(town, { pullThrough: true }, host);
  }
  const brought = { image: `web@sha256:${"ab".repeat(32)}`, imagePull: "ThroughOrigin" };
  for (const name of ["web", "shop", "mail"]) place(town, name, {}, brought);
  await town.until("all are there", () => ["web", "shop", "mail"].every((name) => heldBy(town, name) === "nara"));
  // What nobody can pull is told by who is asked.
  town.agent("tokyo").peering.said.set("nara", { features: "leases" });
  place(town, "more", {}, brought);
  await town.until("it is denied", () => phaseOf(town, "more") === "Denied");
  assert.match(String(statusOf(town, "more").message), /images\.enabled/);
});

test("a peer that says that it stands in no cluster is never chosen, not even where all are meant, and loses what it had", async (t) => {
  const town = await startThree(t);
  town.agent("tokyo").peering.said.set("nara", { place: "standalone" });
  place(town, "web", { count: 0 });
  await town.until("all others have it", () => heldBy(town, "web") === "kyoto,osaka");
  place(town, "more", { count: 3 });
  await town.until("the others have it", () => heldBy(town, "more") === "kyoto,osaka");
  // It has had a cluster, and a peer's word for what it is now comes later.
  town.agent("tokyo").peering.said.delete("nara");
  place(town, "all", { count: 0 });
  await town.until("all have it", () => heldBy(town, "all") === "kyoto,nara,osaka");
  town.agent("tokyo").peering.said.set("nara", { place: "standalone" });
  await town.until("it is taken from it", () => heldBy(town, "all") === "kyoto,osaka");
});
