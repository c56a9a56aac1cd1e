import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import {
  app,
  applyApp,
  deleteApp,
  deployments,
  findApp,
  held,
  hostIsEmpty,
  never,
  phaseOf,
  setPolicy,
  startTown,
  statusOf,
} from "./story.ts";
import type { Town } from "./town.ts";

const sized = (storage: string): JsonObject => ({
  storageClassName: "standard",
  resources: { requests: { storage } },
});
const lent = { storage: { classes: ["standard"] } };
const mount = { volumeMounts: [{ name: "data", mountPath: "/data" }] };
const stateful = (more: JsonObject = {}): JsonObject => ({
  kind: "StatefulSet",
  replicas: 2,
  claims: [{ name: "data", spec: sized("1Gi") }],
  ...mount,
  ...more,
});

function all(town: Town, plural: string) {
  return town.agent("osaka").cluster.all(plural);
}

function sizes(town: Town): string[] {
  const texts = all(town, "persistentvolumeclaims").map(({ spec }) => JSON.stringify(spec?.resources));
  return texts.map((text) => /"storage":"([^"]+)"/.exec(text)?.[1] ?? "none");
}

async function startStateful(t: Parameters<typeof startTown>[0], more: JsonObject = {}): Promise<Town> {
  const town = await startTown(t);
  setPolicy(town, lent);
  applyApp(town, "db", stateful(more));
  await town.until("Ready", () => phaseOf(town, "db") === "Ready");
  return town;
}

test("a StatefulSet runs with a claim for each pod and a Service by which they find one another", async (t) => {
  const town = await startStateful(t);
  const [set] = all(town, "statefulsets");
  assert.equal(deployments(town).length, 0);
  assert.equal(set?.spec?.replicas, 2);
  assert.equal(set?.spec?.serviceName, set?.metadata.name);
  assert.deepEqual(
    all(town, "services")
      .map(({ metadata, spec }) => [metadata.name === set?.metadata.name, spec?.clusterIP])
      .sort(),
    [
      [false, undefined],
      [true, "None"],
    ],
  );
  assert.equal(statusOf(town, "db").readyReplicas, 2);
  assert.equal(sizes(town).length, 2);
});

test("an app that grows keeps its pods and its data, and each claim grows", async (t) => {
  const town = await startStateful(t);
  const [before] = all(town, "statefulsets");
  const claims = all(town, "persistentvolumeclaims").map(({ metadata }) => metadata.uid);
  applyApp(town, "db", stateful({ claims: [{ name: "data", spec: sized("3Gi") }] }));
  await town.until("grown", () => sizes(town).every((size) => size === "3Gi") && phaseOf(town, "db") === "Ready");
  assert.equal(all(town, "statefulsets")[0]?.metadata.uid, before?.metadata.uid);
  assert.deepEqual(
    all(town, "persistentvolumeclaims").map(({ metadata }) => metadata.uid),
    claims,
  );
  assert.equal(all(town, "statefulsets").length, 1);
});

test("claims are not deleted by an edit, and what is to be kept outlives the app and is found by the next of its name", async (t) => {
  const keep = { claims: [{ name: "data", spec: sized("1Gi"), whenDeleted: "Retain" }] };
  const town = await startStateful(t, keep);
  applyApp(town, "db", stateful({ claims: [], volumeMounts: [] }));
  const [before] = all(town, "statefulsets");
  await town.until("made anew", () => {
    const [set] = all(town, "statefulsets");
    return set !== undefined && set.metadata.uid !== before?.metadata.uid && !set.spec?.volumeClaimTemplates;
  });
  await town.until("Ready", () => phaseOf(town, "db") === "Ready");
  assert.equal(sizes(town).length, 2, "no edit deletes data");
  deleteApp(town, "db");
  await town.until("gone", () => findApp(town, "db") === undefined && hostIsEmpty(town));
  assert.equal(all(town, "statefulsets").length, 0);
  const kept = all(town, "persistentvolumeclaims").map(({ metadata }) => metadata.uid);
  assert.equal(kept.length, 2);
  applyApp(town, "db", stateful(keep));
  await town.until("Ready anew", () => phaseOf(town, "db") === "Ready");
  const [later] = held(town);
  await town.until("handed on", () =>
    all(town, "persistentvolumeclaims").every(
      ({ metadata }) => metadata.labels?.["fairlead.dev/workload"] === later?.metadata.name,
    ),
  );
  assert.deepEqual(
    all(town, "persistentvolumeclaims").map(({ metadata }) => metadata.uid),
    kept,
  );
});

test("claims that nobody wanted to keep go with their app", async (t) => {
  const town = await startStateful(t);
  deleteApp(town, "db");
  await town.until("gone", () => hostIsEmpty(town) && all(town, "persistentvolumeclaims").length === 0);
});

test("a claim that pods share is there before they are, and is made again when somebody deletes it", async (t) => {
  const town = await startTown(t);
  setPolicy(town, lent);
  const volumes = [{ name: "data", persistentVolumeClaim: { claimName: "data" } }];
  applyApp(town, "web", { claims: [{ name: "data", spec: sized("1Gi") }], volumes, ...mount });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const [claim] = all(town, "persistentvolumeclaims");
  const name = claim?.metadata.name ?? assert.fail("there is no claim");
  assert.match(JSON.stringify(deployments(town)[0]?.spec), new RegExp(`"claimName":"${name}"`));
  town.agent("osaka").cluster.purge("persistentvolumeclaims", `${claim?.metadata.namespace}/${name}`);
  await town.until("again", () => all(town, "persistentvolumeclaims")[0]?.metadata.uid !== claim?.metadata.uid);
});

test("the kind of an app does not change under it: the change is refused and what ran runs on", async (t) => {
  const town = await startStateful(t);
  const [before] = all(town, "statefulsets");
  applyApp(town, "db", { replicas: 2 });
  const uid = app(town, "db").metadata.uid;
  const { violations } = await town.agent("tokyo").workloads.origin.check("osaka", '{"image":"web:1"}', uid, never);
  assert.deepEqual(
    violations.map(({ field, rule }) => `${field} ${rule}`),
    ["kind immutable"],
  );
  await town.until("refused", () => JSON.stringify(app(town, "db").status).includes("cannot become a Deployment"));
  assert.equal(deployments(town).length, 0);
  assert.deepEqual(all(town, "statefulsets")[0]?.spec, before?.spec);
});

test("a StatefulSet that somebody edits or deletes is put back", async (t) => {
  const town = await startStateful(t);
  const { cluster } = town.agent("osaka");
  const [set] = all(town, "statefulsets");
  const key = `${set?.metadata.namespace}/${set?.metadata.name}`;
  cluster.edit("statefulsets", key, (object) => {
    object.spec = { ...object.spec, replicas: 7 };
  });
  await town.until("put back", () => all(town, "statefulsets")[0]?.spec?.replicas === 2);
  cluster.purge("statefulsets", key);
  await town.until("made again", () => all(town, "statefulsets")[0]?.spec?.replicas === 2);
  await town.until("Ready", () => phaseOf(town, "db") === "Ready");
});

test("nothing is asked about StatefulSets and claims where no app needs them", async (t) => {
  const asked = new Set<string>();
  const town = await startTown(t, (client) => ({
    ...client,
    list(kind, options, signal) {
      asked.add(kind.plural);
      return client.list(kind, options, signal);
    },
  }));
  setPolicy(town, lent);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.deepEqual(
    [asked.has("deployments"), asked.has("statefulsets"), asked.has("persistentvolumeclaims")],
    [true, false, false],
  );
});
