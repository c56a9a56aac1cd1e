/** The history of an app: what stands in it, before its peer hears of it, and what happens when it cannot be written. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { kubeError, type Stored } from "./cluster.ts";
import { applyApp, containerOf, deleteApp, deployments, events, phaseOf, setPolicy, statusOf } from "./story.ts";
import { Town } from "./town.ts";

/** As `startTown`, with something before the origin's API server. */
async function begin(t: TestContext, atOrigin = (client: KubeClient): KubeClient => client): Promise<Town> {
  const town = new Town();
  const origin = town.agent("tokyo");
  origin.client = atOrigin(origin.cluster);
  t.after(() => town.close());
  town.pair("tokyo", "osaka");
  town.agent("tokyo").start();
  town.agent("osaka").start();
  await town.connect("tokyo", "osaka");
  setPolicy(town, {});
  return town;
}

function revisions(town: Town): Stored[] {
  return town.agent("tokyo").cluster.all("controllerrevisions");
}

/** As in "1 web:1, 2 web:2". */
function history(town: Town): string {
  return revisions(town)
    .map((one) => ({ number: Number(one.revision), image: /"image":"([^"]*)"/.exec(JSON.stringify(one.data))?.[1] }))
    .sort((a, b) => a.number - b.number)
    .map(({ number, image }) => `${number} ${image}`)
    .join(", ");
}

const runs = (town: Town): unknown => containerOf(deployments(town)[0])?.image;

test("each spec stands in the history with a number that its status names, and one that comes back gets a new number", async (t) => {
  const town = await begin(t);
  applyApp(town, "web");
  await town.until("the first", () => statusOf(town, "web").revision === 1);
  applyApp(town, "web", { image: "web:2" });
  await town.until("the second", () => statusOf(town, "web").revision === 2);
  assert.equal(history(town), "1 web:1, 2 web:2");
  applyApp(town, "web");
  await town.until("the first again", () => statusOf(town, "web").revision === 3 && phaseOf(town, "web") === "Ready");
  assert.equal(history(town), "2 web:2, 3 web:1");
  assert.equal(runs(town), "web:1");
  const [one] = revisions(town);
  const [owner] = one?.metadata.ownerReferences ?? [];
  assert.equal(owner?.uid, town.agent("tokyo").cluster.all("remoteapps")[0]?.metadata.uid);
});

test("where it runs, how many, whether it is paused and when it was restarted are no part of the history", async (t) => {
  const town = await begin(t);
  applyApp(town, "web");
  await town.until("the first", () => statusOf(town, "web").revision === 1);
  applyApp(town, "web", { replicas: 3, revisionHistoryLimit: 4 });
  await town.until("scaled", () => deployments(town)[0]?.spec?.replicas === 3);
  applyApp(town, "web", { replicas: 3, peer: "kyoto", paused: true, restartedAt: "2026-01-01T00:00:00Z" });
  await town.until("heard of", () => statusOf(town, "web").observedGeneration === 3);
  assert.equal(history(town), "1 web:1");
  assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(revisions(town)[0]?.data)).spec).sort(), ["image", "ports"]);
});

test("no more are kept than the app says, the latest; the present one does not count", async (t) => {
  const town = await begin(t);
  for (const number of [1, 2, 3, 4, 5]) {
    applyApp(town, "web", { image: `web:${number}`, revisionHistoryLimit: 2 });
    await town.until(`number ${number}`, () => statusOf(town, "web").revision === number);
  }
  await town.until("trimmed", () => history(town) === "3 web:3, 4 web:4, 5 web:5");
  applyApp(town, "web", { image: "web:5", revisionHistoryLimit: 0 });
  await town.until("the present one alone", () => history(town) === "5 web:5");
});

test("the cause of a change stands beside it, also when it is told later, and goes when the spec comes back for another", async (t) => {
  const town = await begin(t);
  const say = (cause: string | null): void =>
    town.agent("tokyo").cluster.edit("remoteapps", "shop/web", ({ metadata }) => {
      metadata.annotations = { ...metadata.annotations, "kubernetes.io/change-cause": cause };
      if (cause === null) delete metadata.annotations["kubernetes.io/change-cause"];
    });
  const causes = (): unknown[] =>
    revisions(town)
      .sort((a, b) => Number(a.revision) - Number(b.revision))
      .map(({ metadata }) => metadata.annotations?.["kubernetes.io/change-cause"]);
  applyApp(town, "web");
  await town.until("the first", () => statusOf(town, "web").revision === 1);
  say("the first of all");
  await town.until("told", () => causes()[0] === "the first of all");
  say(null);
  applyApp(town, "web", { image: "web:2" });
  await town.until("the second", () => statusOf(town, "web").revision === 2);
  assert.deepEqual(causes(), ["the first of all", undefined]);
  applyApp(town, "web");
  await town.until("the third", () => statusOf(town, "web").revision === 3);
  assert.deepEqual(causes(), [undefined, undefined]);
});

test("no peer hears of a spec before it stands in the history", async (t) => {
  let isFailing = false;
  const town = await begin(t, (client) => ({
    ...client,
    async create(kind, object, signal) {
      if (kind.plural === "controllerrevisions" && isFailing) throw kubeError(503, "ServiceUnavailable", "not now");
      return client.create(kind, object, signal);
    },
  }));
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  isFailing = true;
  applyApp(town, "web", { image: "web:2" });
  const from = town.clock.monotonic();
  await town.until("seconds later", () => town.clock.monotonic() - from > 2_000);
  assert.equal(runs(town), "web:1");
  assert.equal(history(town), "1 web:1");
  isFailing = false;
  await town.until("the second runs", () => runs(town) === "web:2");
  assert.equal(history(town), "1 web:1, 2 web:2");
  assert.ok(!events(town).includes("HistoryNotKept"));
});

test("a history that fails for long holds nothing up, says so, and is mended when it can be", async (t) => {
  let isFailing = true;
  const town = await begin(t, (client) => ({
    ...client,
    async create(kind, object, signal) {
      if (kind.plural === "controllerrevisions" && isFailing) throw kubeError(500, "InternalError", "a webhook fails");
      return client.create(kind, object, signal);
    },
  }));
  const from = town.clock.monotonic();
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.ok(town.clock.monotonic() - from < 15_000);
  assert.ok(events(town).includes("HistoryNotKept"));
  assert.equal(statusOf(town, "web").revision, undefined);
  isFailing = false;
  await town.until("mended", () => statusOf(town, "web").revision === 1);
});

for (const verb of ["list", "create"] as const) {
  test(`an agent that may not ${verb} revisions runs apps all the same`, async (t) => {
    let asked = 0;
    const town = await begin(t, (client) => {
      const refuse = (kind: { plural: string }, its: string): void => {
        if (kind.plural !== "controllerrevisions" || its !== verb) return;
        asked += 1;
        throw kubeError(403, "Forbidden", "you may not");
      };
      return {
        ...client,
        async list(kind, o, signal) {
          refuse(kind, "list");
          return client.list(kind, o, signal);
        },
        async create(kind, object, signal) {
          refuse(kind, "create");
          return client.create(kind, object, signal);
        },
      };
    });
    const from = town.clock.monotonic();
    applyApp(town, "web");
    await town.until("Ready", () => phaseOf(town, "web") === "Ready");
    assert.ok(town.clock.monotonic() - from < 5_000, "it does not wait for what will not come");
    applyApp(town, "web", { image: "web:2" });
    await town.until("the second", () => runs(town) === "web:2");
    const before = asked;
    await town.clock.advance(300_000);
    assert.ok(asked - before <= (verb === "list" ? 60 : 0), `${asked - before} times in five minutes`);
  });
}

test("an agent that starts again writes nothing twice, and goes on with the numbers", async (t) => {
  const town = await begin(t);
  applyApp(town, "web");
  await town.until("the first", () => statusOf(town, "web").revision === 1);
  const written = revisions(town)[0]?.metadata.resourceVersion;
  await town.stop("tokyo");
  town.agent("tokyo").start();
  await town.cut("tokyo", "osaka");
  await town.connect("tokyo", "osaka");
  applyApp(town, "other");
  await town.until("another", () => phaseOf(town, "other") === "Ready");
  assert.equal(revisions(town)[0]?.metadata.resourceVersion, written);
  applyApp(town, "web", { image: "web:2" });
  await town.until("the second", () => statusOf(town, "web").revision === 2);
});

test("one that somebody deletes is written again, with a number of its own", async (t) => {
  const town = await begin(t);
  applyApp(town, "web");
  await town.until("the first", () => statusOf(town, "web").revision === 1);
  const [one] = revisions(town);
  town.agent("tokyo").cluster.purge("controllerrevisions", `shop/${one?.metadata.name}`);
  await town.until("written again", () => history(town) === "1 web:1");
});

test("the history goes with the app, and another of its name begins anew", async (t) => {
  const town = await begin(t);
  applyApp(town, "web");
  await town.until("the first", () => statusOf(town, "web").revision === 1);
  town.agent("tokyo").cluster.edit("remoteapps", "shop/web", (object) => {
    object.spec = { ...object.spec, image: "web:2" };
  });
  await town.until("the second", () => statusOf(town, "web").revision === 2);
  const { cluster } = town.agent("tokyo");
  deleteApp(town, "web");
  await town.until("gone", () => cluster.all("remoteapps").length === 0 && revisions(town).length === 0);
  applyApp(town, "web");
  await town.until("anew", () => statusOf(town, "web").revision === 1);
});
