/** Two agents, a real link between them, and everything that happens to an app in its life. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  app,
  applyApp,
  containerOf,
  deleteApp,
  deployments,
  events,
  findApp,
  held,
  hostIsEmpty,
  never,
  phaseOf,
  startTown,
  statusOf,
} from "./story.ts";
import { fingerprintOf } from "./town.ts";

test("an app that is applied at the origin runs at the host, and its status is mirrored", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web", { replicas: 2 });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const status = statusOf(town, "web");
  assert.equal(status.readyReplicas, 2);
  assert.equal(status.peer, "osaka");
  assert.equal(status.hostNamespace, "fairlead-peer-tokyo");
  const [deployment] = deployments(town);
  assert.equal(deployment?.spec?.replicas, 2);
  assert.deepEqual(app(town, "web").metadata.finalizers, ["fairlead.dev/remoteapp"]);
  const namespace = town.agent("osaka").cluster.objects.get("namespaces/fairlead-peer-tokyo");
  assert.equal(namespace?.metadata.labels?.["pod-security.kubernetes.io/enforce"], "baseline");
});

test("edits and scaling reach the host, and Events tell each change of state", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  applyApp(town, "web", { image: "web:2", replicas: 3 });
  await town.until("3 pods", () => statusOf(town, "web").readyReplicas === 3 && phaseOf(town, "web") === "Ready");
  assert.equal(containerOf(deployments(town)[0])?.image, "web:2");
  assert.equal(statusOf(town, "web").observedGeneration, 2);
  applyApp(town, "web", { image: "web:2", replicas: 0 });
  await town.until("no pods", () => statusOf(town, "web").reason === "ScaledToZero");
  assert.equal(phaseOf(town, "web"), "Ready");
  assert.equal(statusOf(town, "web").replicas, 0);
  assert.ok(events(town).includes("AllReady"), events(town).join());
});

test("deleting an app removes everything at the host before the RemoteApp goes", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  deleteApp(town, "web");
  await town.until("gone here", () => findApp(town, "web") === undefined);
  assert.ok(hostIsEmpty(town));
});

test("an image that cannot be pulled shows the pod's own reason, and a better one ends it", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web", { image: "missing" });
  await town.until("Degraded", () => phaseOf(town, "web") === "Degraded");
  assert.equal(statusOf(town, "web").reason, "ImagePullBackOff");
  assert.ok(events(town).includes("ImagePullBackOff"));
  applyApp(town, "web", { image: "web:1" });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("a host that restarts takes up where it was, and nothing is doubled", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  await town.cut("tokyo", "osaka");
  await town.stop("osaka");
  applyApp(town, "web", { replicas: 4 });
  applyApp(town, "late");
  town.agent("osaka").start();
  await town.connect("tokyo", "osaka");
  await town.until("4 pods", () => statusOf(town, "web").readyReplicas === 4 && phaseOf(town, "late") === "Ready");
  assert.equal(held(town).length, 2);
  assert.equal(deployments(town).length, 2);
});

test("an origin that restarts keeps its apps, and hears of deletions that were asked meanwhile", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web");
  applyApp(town, "old");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready" && phaseOf(town, "old") === "Ready");
  const before = JSON.stringify(statusOf(town, "web").conditions);
  await town.cut("tokyo", "osaka");
  await town.stop("tokyo");
  deleteApp(town, "old");
  assert.equal(held(town).length, 2, "absence deletes nothing");
  town.agent("tokyo").start();
  await town.connect("tokyo", "osaka");
  await town.until("old is gone", () => findApp(town, "old") === undefined && held(town).length === 1);
  await town.until("web is Ready", () => phaseOf(town, "web") === "Ready");
  assert.equal(JSON.stringify(statusOf(town, "web").conditions), before, "no condition moved");
});

test("while the link is down the last known status stays, and says since when it is unknown", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web", { replicas: 2 });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  await town.cut("tokyo", "osaka");
  await town.until("Unknown", () => phaseOf(town, "web") === "Unknown");
  const status = statusOf(town, "web");
  assert.equal(status.readyReplicas, 2);
  assert.ok(status.unknownSince);
  assert.match(String(status.message), /no link to osaka since .*Ready then/);
  await town.connect("tokyo", "osaka");
  await town.until("Ready again", () => phaseOf(town, "web") === "Ready");
  assert.equal(statusOf(town, "web").unknownSince, undefined);
});

test("an origin that was restored from an older backup is heard, and what it no longer knows is an orphan", async (t) => {
  const town = await startTown(t);
  const { cluster } = town.agent("tokyo");
  applyApp(town, "web", { image: "web:1" });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const backup = cluster.backup();
  applyApp(town, "web", { image: "web:2" });
  applyApp(town, "web", { image: "web:3" });
  applyApp(town, "newer");
  await town.until(
    "both run",
    () => phaseOf(town, "newer") === "Ready" && containerOf(deployments(town)[0])?.image === "web:3",
  );
  await town.cut("tokyo", "osaka");
  await town.stop("tokyo");
  cluster.restore(backup, ["remoteapps"]);
  town.agent("tokyo").start();
  await town.connect("tokyo", "osaka");
  await town.until("the older word wins", () => deployments(town).some((one) => containerOf(one)?.image === "web:1"));
  const { origin, host } = { origin: town.agent("tokyo").workloads.origin, host: town.agent("osaka").workloads.host };
  await town.until(
    "the orphan is shown on both ends",
    () => origin.orphans().length === 1 && host.orphans().length === 1,
  );
  assert.equal(deployments(town).length, 2, "nothing was deleted");
  const [orphan] = origin.orphans();
  assert.equal(orphan?.name, "newer");

  await origin.adopt("osaka", orphan?.uid ?? "", never);
  await town.until("adopted", () => phaseOf(town, "newer") === "Ready" && host.orphans().length === 0);
  assert.equal(deployments(town).length, 2, "the adopted one runs on, and no second one");
  await town.until("no orphan", () => origin.orphans().length === 0);
});

test("an orphan is deleted when somebody says so, on either end", async (t) => {
  const town = await startTown(t);
  const { cluster } = town.agent("tokyo");
  applyApp(town, "one");
  applyApp(town, "two");
  await town.until("Ready", () => phaseOf(town, "one") === "Ready" && phaseOf(town, "two") === "Ready");
  cluster.purge("remoteapps", "shop/one");
  cluster.purge("remoteapps", "shop/two");
  const { origin } = town.agent("tokyo").workloads;
  const { host } = town.agent("osaka").workloads;
  await town.until("orphans", () => origin.orphans().length === 2 && host.orphans().length === 2);
  const there = origin.orphans()[0];
  await origin.deleteOrphan("osaka", there?.uid ?? "", never);
  await town.until("one left", () => held(town).length === 1 && host.orphans().length === 1);
  assert.equal(await host.deleteOrphan(host.orphans()[0]?.workload ?? { name: "" }, never), true);
  await town.until("none left", () => hostIsEmpty(town) && origin.orphans().length === 0);
});

test("what a peer runs that nobody knows is shown no longer when it is no peer any more", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const { cluster, peering, workloads } = town.agent("tokyo");
  cluster.purge("remoteapps", "shop/web");
  await town.until("an orphan", () => workloads.origin.orphans().length === 1);
  await town.cut("tokyo", "osaka");
  assert.equal(workloads.origin.orphans().length, 1, "a link that is down changes nothing");
  peering.set("osaka", undefined);
  assert.deepEqual(workloads.origin.orphans(), []);
});

test("without a grant nothing runs, the reason says who can give it, and giving it is enough", async (t) => {
  const town = await startTown(t);
  const { peering, cluster } = town.agent("osaka");
  peering.set("tokyo", { grants: [] });
  applyApp(town, "web");
  await town.until("Denied", () => phaseOf(town, "web") === "Denied");
  assert.match(
    String(statusOf(town, "web").message),
    /peer tokyo has no grant "apps" here.*fairlead peer grant tokyo apps/,
  );
  assert.deepEqual(cluster.all("namespaces"), [], "not even a namespace was made");
  peering.set("tokyo", { grants: ["apps"] });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("an app whose peer is unknown says what to do, and starts when the peer is there", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web", { peer: "kyoto" });
  await town.until("PeerUnknown", () => statusOf(town, "web").reason === "PeerUnknown");
  assert.match(String(statusOf(town, "web").message), /fairlead join/);
  assert.equal(app(town, "web").metadata.finalizers, undefined, "nothing to wait for when it is deleted");
  town.pair("tokyo", "kyoto");
  town.agent("kyoto").start();
  await town.connect("tokyo", "kyoto");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("an app that moves to another peer is deleted at the first before it runs at the second", async (t) => {
  const town = await startTown(t);
  town.pair("tokyo", "kyoto");
  town.agent("kyoto").start();
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  await town.cut("tokyo", "osaka");
  await town.connect("tokyo", "kyoto");
  applyApp(town, "web", { peer: "kyoto" });
  await town.until("Moving", () => statusOf(town, "web").reason === "Moving");
  assert.equal(held(town, "kyoto").length, 0, "not at both");
  await town.connect("tokyo", "osaka");
  await town.until("there", () => phaseOf(town, "web") === "Ready" && statusOf(town, "web").peer === "kyoto");
  assert.ok(hostIsEmpty(town));
  assert.equal(deployments(town, "kyoto").length, 1);
});

test("a RemoteApp whose peer is gone for good can be deleted, with an Event that says what was left", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  await town.cut("tokyo", "osaka");
  deleteApp(town, "web");
  await town.until("waits for the host", () => phaseOf(town, "web") === "Deleting");
  town.agent("tokyo").peering.set("osaka", undefined);
  await town.until("gone", () => findApp(town, "web") === undefined);
  await town.until("the Event", () => events(town).includes("PeerGone"));
});

test("a peer cannot see, change or delete what another peer runs", async (t) => {
  const town = await startTown(t);
  town.pair("mallory", "osaka");
  town.agent("mallory").start();
  await town.connect("mallory", "osaka");
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const victim = app(town, "web");
  const { cluster } = town.agent("mallory");
  // The attacker's RemoteApp bears the victim's UID, namespace and name, and is then deleted.
  applyApp(town, "web", { image: "evil:1" }, "mallory");
  cluster.edit("remoteapps", "shop/web", ({ metadata }) => {
    metadata.uid = victim.metadata.uid;
  });
  await town.until("runs for mallory", () => phaseOf(town, "web", "mallory") === "Ready");
  const images = (): string[] => deployments(town).map((one) => `${one.metadata.namespace} ${containerOf(one)?.image}`);
  assert.ok(images().includes("fairlead-peer-tokyo web:1"), images().join());
  const { origin } = town.agent("mallory").workloads;
  await assert.rejects(origin.deleteOrphan("osaka", victim.metadata.uid, never), /is no orphan|nothing of yours/);
  cluster.purge("remoteapps", "shop/web");
  await town.until("mallory has an orphan", () => origin.orphans().length > 0);
  assert.ok(origin.orphans().every(({ spec }) => spec.includes("evil:1")));
  await origin.deleteOrphan("osaka", victim.metadata.uid, never);
  await town.until("mallory's is gone", () => images().every((image) => image.startsWith("fairlead-peer-tokyo ")));
  const { host } = town.agent("osaka").workloads;
  const named = { namespace: "shop", name: "web" };
  await town.until("no Workload of it", () => host.find(fingerprintOf("mallory"), named) === undefined);
  assert.equal(host.find(fingerprintOf("tokyo"), named)?.namespace, "fairlead-peer-tokyo");
  assert.equal(phaseOf(town, "web"), "Ready");
});

test("a link that is cut again and again in the middle of everything ends right", async (t) => {
  const town = await startTown(t);
  for (let round = 0; round < 12; round += 1) {
    applyApp(town, `app-${round % 3}`, { replicas: 1 + (round % 4) });
    if (round % 5 === 4) deleteApp(town, `app-${round % 3}`);
    for (let turn = 0; turn < round; turn += 1) await town.clock.advance(0);
    await town.cut("tokyo", "osaka");
    await town.connect("tokyo", "osaka");
  }
  const names = (): string[] =>
    town
      .agent("tokyo")
      .cluster.all("remoteapps")
      .map(({ metadata }) => metadata.name);
  await town.until("all is well", () => {
    const all = names().every((name) => phaseOf(town, name) === "Ready");
    return all && held(town).length === names().length && deployments(town).length === names().length;
  });
  for (const name of names()) {
    const wanted = app(town, name).spec?.replicas;
    const running = held(town).find(({ spec }) => JSON.stringify(spec).includes(`"name":"${name}"`));
    const deployment = deployments(town).find(({ metadata }) => metadata.name === running?.metadata.name);
    assert.equal(deployment?.spec?.replicas, wanted, name);
  }
});

test("a wish with a field that the host does not know is refused by name, and what ran before runs on", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const verdict = await town
    .agent("tokyo")
    .workloads.origin.check("osaka", '{"image":"a","securityContext":{"x":1}}', undefined, never);
  assert.equal(verdict.admitted, false);
  assert.equal(verdict.violations[0]?.field, "securityContext.x");
  assert.equal(verdict.violations[0]?.rule, "unknown-field");
});

test("a RemoteApp that is edited by kubectl while it is being deleted still goes", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  deleteApp(town, "web");
  applyApp(town, "web", { replicas: 5 });
  await town.until("gone", () => findApp(town, "web") === undefined && hostIsEmpty(town));
});

test("when a peer is removed with what it runs, all of it goes and nothing of others", async (t) => {
  const town = await startTown(t);
  town.pair("kyoto", "osaka");
  town.agent("kyoto").start();
  await town.connect("kyoto", "osaka");
  applyApp(town, "web");
  applyApp(town, "web", {}, "kyoto");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready" && phaseOf(town, "web", "kyoto") === "Ready");
  await town.cut("tokyo", "osaka");
  const { peering, workloads } = town.agent("osaka");
  peering.set("tokyo", undefined);
  await workloads.host.deleteAllOf(fingerprintOf("tokyo"), never);
  await town.until("gone", () => held(town).length === 1 && deployments(town).length === 1);
  assert.equal(held(town)[0]?.metadata.namespace, "fairlead-peer-kyoto");
});
