/** What a PeerPolicy lets run, and what becomes of what runs when it changes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import {
  app,
  applyApp,
  audited,
  containerOf,
  deleteApp,
  deployments,
  findApp,
  held,
  hostIsEmpty,
  isWaiting,
  never,
  phaseOf,
  replicasOf,
  rules,
  setPolicy,
  slowWorkloads,
  startTown,
  startWithWeb,
  statusOf,
  waiting,
} from "./story.ts";
import type { Town } from "./town.ts";

test("without a policy nothing runs, and the refusal says who can do what", async (t) => {
  const town = await startTown(t);
  town.agent("osaka").cluster.purge("peerpolicies", "fairlead-system/open");
  applyApp(town, "web");
  await town.until("Denied", () => phaseOf(town, "web") === "Denied");
  assert.match(String(statusOf(town, "web").message), /no PeerPolicy here is about peer tokyo.*operator/);
  assert.deepEqual(rules(town, "web"), ["policy/accept"]);
  assert.ok(hostIsEmpty(town));
  setPolicy(town, {});
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("One admission path for every change: create, edit, scale, image, approval, policy and grant are judged by the same rules", async (t) => {
  const quota = { quota: { pods: 2 }, deniedImages: ["evil"] };
  const broken: [string, (town: Town) => void, string][] = [
    ["create", (town) => applyApp(town, "other", { replicas: 1 }), "quota/pods"],
    ["scale", (town) => applyApp(town, "web", { replicas: 3 }), "quota/pods"],
    ["image", (town) => applyApp(town, "web", { replicas: 2, image: "docker.io/library/evil:1" }), "images/denied"],
    ["edit", (town) => applyApp(town, "web", { replicas: 2, image: "library/evil" }), "images/denied"],
    ["policy", (town) => setPolicy(town, { whenViolated: "Stop", quota: { pods: 1 } }), "quota/pods"],
    ["accept", (town) => setPolicy(town, { whenViolated: "Stop", accept: false }), "policy/accept"],
    ["grant", (town) => town.agent("osaka").peering.set("tokyo", { grants: [] }), "grants/apps"],
  ];
  for (const [change, make, rule] of broken) {
    const town = await startWithWeb(t, { ...quota, whenViolated: "Stop" });
    make(town);
    const name = change === "create" ? "other" : "web";
    await town.until(`${change} is denied`, () => phaseOf(town, name) === "Denied");
    assert.deepEqual(rules(town, name), [rule], change);
    const isOfWhatRuns = ["policy", "accept", "grant"].includes(change);
    await town.until(`after ${change}`, () => replicasOf(town, "web:1") === (isOfWhatRuns ? 0 : 2));
    assert.equal(deployments(town).length, 1, change);
  }
});

test("an approval is no way around the other rules", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web", { replicas: 2 });
  await town.until("Held", () => isWaiting(town));
  const item = waiting(town);
  setPolicy(town, { approval: "Always", quota: { pods: 1 } });
  await town.until("Denied", () => phaseOf(town, "web") === "Denied");
  const { host } = town.agent("osaka").workloads;
  // Nothing waits any more, so that there is nothing to approve.
  await assert.rejects(host.decide(item.name, { hash: item.hash, verdict: "Approved", by: "ada" }, never), {
    code: "not-found",
  });
  setPolicy(town, { approval: "Always", quota: { pods: 2 } });
  await town.until("Held", () => isWaiting(town) && phaseOf(town, "web") === "Held");
  await host.decide(item.name, { hash: item.hash, verdict: "Approved", by: "ada" }, never);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("Aggregate quotas count replicas", async (t) => {
  const town = await startTown(t);
  const resources = { requests: { cpu: "200m" } };
  setPolicy(town, { quota: { "requests.cpu": "1" } });
  applyApp(town, "web", { replicas: 2, resources });
  applyApp(town, "worker", { replicas: 3, resources });
  await town.until("both fit", () => phaseOf(town, "worker") === "Ready" && phaseOf(town, "web") === "Ready");
  applyApp(town, "worker", { replicas: 4, resources });
  await town.until("Denied", () => phaseOf(town, "worker") === "Denied");
  assert.deepEqual(rules(town, "worker"), ["quota/requests.cpu"]);
  const [finding] = JSON.parse(JSON.stringify(statusOf(town, "worker").admission)).findings;
  assert.deepEqual([finding.asked, finding.allowed], ["800m", "600m"]);
  assert.match(String(statusOf(town, "worker").message), /What ran before runs on\./);
});

test("two wishes at once never both get the last place", async (t) => {
  const town: Town = await startTown(
    t,
    slowWorkloads(() => town),
  );
  setPolicy(town, { quota: { pods: 3 } });
  await town.clock.advance(0);
  const names = Array.from({ length: 8 }, (_, index) => `app-${index}`);
  for (const name of names) applyApp(town, name);
  const phases = (): unknown[] => names.map((name) => phaseOf(town, name));
  await town.until("all are answered", () => phases().every((phase) => phase === "Ready" || phase === "Denied"));
  assert.equal(phases().filter((phase) => phase === "Ready").length, 3);
  assert.equal(held(town).length, 3, "what is refused is not stored");
  assert.equal(deployments(town).length, 3);
});

test("two peers at once never both get the last place of all peers together", async (t) => {
  const town: Town = await startTown(
    t,
    slowWorkloads(() => town),
  );
  town.pair("kyoto", "osaka");
  town.agent("kyoto").start();
  await town.connect("kyoto", "osaka");
  setPolicy(town, { total: { pods: 2 } });
  await town.clock.advance(0);
  for (const name of ["one", "two"]) for (const origin of ["tokyo", "kyoto"]) applyApp(town, name, {}, origin);
  const phases = (): unknown[] =>
    ["one", "two"].flatMap((name) => ["tokyo", "kyoto"].map((origin) => phaseOf(town, name, origin)));
  await town.until("all are answered", () => phases().every((phase) => phase === "Ready" || phase === "Denied"));
  assert.equal(phases().filter((phase) => phase === "Ready").length, 2);
});

test("A refusal is an answer, not retried until something changed: then what was refused for want of room is asked again", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { quota: { pods: 1 }, deniedImages: ["evil"] });
  applyApp(town, "first");
  await town.until("Ready", () => phaseOf(town, "first") === "Ready");
  applyApp(town, "second");
  applyApp(town, "evil", { image: "evil:1" });
  await town.until("Denied", () => phaseOf(town, "second") === "Denied" && phaseOf(town, "evil") === "Denied");
  const before = audited(town, "osaka").length;
  await town.clock.advance(600_000);
  assert.equal(audited(town, "osaka").length, before, "nothing was asked meanwhile");
  setPolicy(town, { quota: { pods: 1 }, deniedImages: ["evil"], maxReplicas: 9 });
  for (let turn = 0; turn < 100; turn += 1) await town.clock.advance(100);
  assert.equal(audited(town, "osaka").length, before, "the same answer to the same wish is one line");
  deleteApp(town, "first");
  await town.until("there is room", () => findApp(town, "first") === undefined && phaseOf(town, "second") === "Ready");
  assert.equal(phaseOf(town, "evil"), "Denied");
  setPolicy(town, { quota: { pods: 2 } });
  await town.until("evil is allowed", () => phaseOf(town, "evil") === "Ready");
});

test("what is written of a Workload is written on exactly what was judged", async (t) => {
  const applied: string[] = [];
  let meddle = false;
  const town: Town = await startTown(t, (client) => ({
    ...client,
    async apply(kind, object, o, signal) {
      const { spec } = kind.format(object);
      if (kind.plural === "workloads") applied.push(JSON.stringify(spec));
      if (kind.plural === "workloads" && meddle) {
        meddle = false;
        // Somebody is quicker, and the agent has not heard of it yet.
        const key = `${object.metadata.namespace}/${object.metadata.name}`;
        town.agent("osaka").cluster.edit("workloads", key, ({ metadata }) => {
          metadata.labels = { ...metadata.labels, touched: "yes" };
        });
      }
      return client.apply(kind, object, o, signal);
    },
  }));
  applyApp(town, "web", { image: "web:1" });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  meddle = true;
  applyApp(town, "web", { image: "web:2" });
  await town.until("web:2 runs", () => phaseOf(town, "web") === "Ready" && replicasOf(town, "web:2") === 1);
  assert.equal(applied.filter((spec) => spec.includes("web:2")).length, 2, "the first was in vain, and judged again");
});

test("an app that is held counts as one of the peer's apps, so that an inbox is not flooded", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always", maxApps: 2 });
  await town.clock.advance(0);
  for (const name of ["one", "two", "three"]) applyApp(town, name);
  const phases = (): unknown[] => ["one", "two", "three"].map((name) => phaseOf(town, name));
  await town.until("all are answered", () => phases().every((phase) => phase === "Held" || phase === "Denied"));
  assert.equal(phases().filter((phase) => phase === "Held").length, 2);
  const refused = ["one", "two", "three"].find((name) => phaseOf(town, name) === "Denied") ?? "";
  assert.equal(rules(town, refused)[0], "apps/max");
});

test("a new image waits for a person, one that the peer runs already does not", async (t) => {
  const town = await startWithWeb(t);
  setPolicy(town, { approval: "NewImage" });
  applyApp(town, "same", { image: "docker.io/library/web:1" });
  await town.until("Ready", () => phaseOf(town, "same") === "Ready");
  applyApp(town, "other", { image: "other:1" });
  await town.until("Held", () => phaseOf(town, "other") === "Held");
  assert.equal(phaseOf(town, "web"), "Ready");
});

test("the verdict without deploying is the same, and an app is not counted beside itself", async (t) => {
  const town = await startWithWeb(t, { quota: { pods: 3 }, deniedImages: ["evil"], approvalAbove: { pods: 2 } });
  const { origin } = town.agent("tokyo").workloads;
  const { uid } = app(town, "web").metadata;
  const check = (spec: object, own?: string) => origin.check("osaka", JSON.stringify(spec), own, never);
  const fits = await check({ image: "web:2", replicas: 2 }, uid);
  assert.deepEqual([fits.admitted, fits.held, fits.reason], [true, false, ""]);
  const beside = await check({ image: "web:2", replicas: 2 });
  assert.deepEqual([beside.admitted, beside.held, beside.reason], [false, false, "Denied"]);
  const [violation] = beside.violations;
  assert.deepEqual([violation?.rule, violation?.asked, violation?.allowed], ["quota/pods", "2", "1"]);
  const much = await check({ image: "web:2", replicas: 3 }, uid);
  assert.deepEqual([much.admitted, much.held, much.reason], [false, true, "Held"]);
  assert.equal(much.violations[0]?.rule, "approval/above/pods");
  // Another peer's UID says nothing about another peer's app.
  town.pair("kyoto", "osaka");
  town.agent("kyoto").start();
  await town.connect("kyoto", "osaka");
  const asked = JSON.stringify({ image: "web:2", replicas: 2 });
  const theirs = await town.agent("kyoto").workloads.origin.check("osaka", asked, uid, never);
  assert.equal(theirs.admitted, true, "it has a quota of its own");
  assert.equal(held(town).length, 1, "nothing was stored by asking");
  assert.equal((await check({ image: "web:2", replicas: 1 })).admitted, true, "nor was a place kept");
});

test("what a peer runs is freed by its deletion only when it is gone", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { quota: { pods: 1 } });
  applyApp(town, "first");
  await town.until("Ready", () => phaseOf(town, "first") === "Ready");
  applyApp(town, "second");
  await town.until("Denied", () => phaseOf(town, "second") === "Denied");
  const { cluster } = town.agent("osaka");
  const name = held(town)[0]?.metadata.name ?? "";
  cluster.edit("workloads", `fairlead-peer-tokyo/${name}`, ({ metadata }) => {
    metadata.finalizers = ["somebody.else/waits"];
  });
  deleteApp(town, "first");
  await town.clock.advance(5_000);
  assert.equal(phaseOf(town, "second"), "Denied");
  cluster.edit("workloads", `fairlead-peer-tokyo/${name}`, ({ metadata }) => {
    metadata.finalizers = (metadata.finalizers ?? []).filter((one) => one !== "somebody.else/waits");
  });
  await town.until("there is room", () => phaseOf(town, "second") === "Ready");
});

test("an orphan runs on and its place is not given away", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { quota: { pods: 1 } });
  applyApp(town, "old");
  await town.until("Ready", () => phaseOf(town, "old") === "Ready");
  town.agent("tokyo").cluster.purge("remoteapps", "shop/old");
  await town.until("an orphan", () => town.agent("osaka").workloads.host.orphans().length === 1);
  applyApp(town, "new");
  await town.until("Denied", () => phaseOf(town, "new") === "Denied");
  assert.deepEqual(rules(town, "new"), ["quota/pods"]);
});

test("a Deployment of a Workload of which nothing was admitted is taken away", async (t) => {
  const town = await startWithWeb(t);
  setPolicy(town, { approval: "Always" });
  const { cluster } = town.agent("osaka");
  const name = held(town)[0]?.metadata.name ?? "";
  cluster.edit("workloads", `fairlead-peer-tokyo/${name}`, ({ spec }) => {
    if (spec) delete spec.running;
  });
  await town.until("gone", () => deployments(town).length === 0);
  await town.until("Held", () => phaseOf(town, "web") === "Held");
  assert.equal(containerOf(deployments(town)[0]), undefined);
});

test("a Workload with a field that this agent does not understand is not run, and says so without haste", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web");
  await town.until("Held", () => isWaiting(town));
  setPolicy(town, {});
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const { cluster } = town.agent("osaka");
  const name = held(town)[0]?.metadata.name ?? "";
  cluster.edit("workloads", `fairlead-peer-tokyo/${name}`, ({ spec }) => {
    if (spec) spec.app = { ...Object(spec.app), image: "web:2", sidecars: [] };
  });
  await town.until("it says so", () => held(town)[0]?.status?.reason === "UnknownFields");
  assert.equal(containerOf(deployments(town)[0])?.image, "web:1");
  const writes = held(town)[0]?.metadata.resourceVersion;
  await town.clock.advance(30_000);
  assert.equal(held(town)[0]?.metadata.resourceVersion, writes, "nothing is written over and over");
});

test("a wish that cannot be understood is in the audit too, once", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web", { resources: { requests: { cpu: "much" } } });
  await town.until("Denied", () => phaseOf(town, "web") === "Denied");
  await town.clock.advance(60_000);
  assert.deepEqual(audited(town, "osaka"), ["app.admit denied quantity"]);
});

test("a host that closes while it writes what it admitted leaves nothing behind that waits", async (t) => {
  let isWriting = false;
  const town = await startTown(t, (client) => ({
    ...client,
    async apply(kind, object, o, signal) {
      if (kind.plural !== "workloads") return client.apply(kind, object, o, signal);
      isWriting = true;
      await once(signal, "abort");
      throw signal.reason;
    },
  }));
  applyApp(town, "web");
  await town.until("it is written", () => isWriting);
  await town.agent("tokyo").workloads.close();
  await town.agent("osaka").workloads.close();
  assert.equal(town.clock.timers, 0);
});
