/** What an app brings along, on its whole way: from its owner's Secret to the pods at the host. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import { configMaps, secrets } from "../../src/kube/resources.ts";
import type { Stored } from "./cluster.ts";
import {
  applyApp,
  containerOf,
  deleteApp,
  deployments,
  held,
  hostIsEmpty,
  never,
  phaseOf,
  setPolicy,
  slowWorkloads,
  startTown,
  statusOf,
  waiting,
} from "./story.ts";
import type { Town } from "./town.ts";

const label = { "fairlead.dev/shared": "true" };
const bringing = {
  configMaps: [{ name: "site" }, { name: "inline", data: { motto: "here" } }],
  secrets: [{ name: "db" }, { name: "pull" }],
  imagePullSecrets: [{ name: "pull" }],
  env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }],
  envFrom: [{ configMapRef: { name: "site" } }, { configMapRef: { name: "inline" } }],
};

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

async function share(
  town: Town,
  kind: "secrets" | "configmaps",
  name: string,
  data: JsonObject,
  type = "Opaque",
): Promise<void> {
  const { cluster } = town.agent("tokyo");
  const metadata = { namespace: "shop", name, labels: label };
  if (kind === "secrets") await cluster.create(secrets, secrets.parse({ metadata, type, data }), never);
  else await cluster.create(configMaps, configMaps.parse({ metadata, data }), never);
}

async function shareAll(town: Town): Promise<void> {
  await share(town, "secrets", "db", { password: base64("open sesame") });
  await share(town, "secrets", "pull", { ".dockerconfigjson": base64("{}") }, "kubernetes.io/dockerconfigjson");
  await share(town, "configmaps", "site", { greeting: "hello" });
}

async function startWithSecrets(t: TestContext): Promise<Town> {
  const town = await startTown(t);
  await shareAll(town);
  applyApp(town, "web", bringing);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  return town;
}

function edit(town: Town, password: string): void {
  town
    .agent("tokyo")
    .cluster.edit("secrets", "shop/db", (object) => Object.assign(object, { data: { password: base64(password) } }));
}

/** Of what the app brought to the host, by its name in the spec. */
function brought(town: Town, name: string): Stored[] {
  const { cluster } = town.agent("osaka");
  return [...cluster.all("secrets"), ...cluster.all("configmaps")].filter(
    ({ metadata }) => metadata.annotations?.["fairlead.dev/content-of"] === name,
  );
}

function passwordRef(town: Town): unknown {
  const env = containerOf(deployments(town)[0])?.env;
  return JSON.parse(JSON.stringify(env))[0].valueFrom.secretKeyRef.name;
}

test("what an app brings along is stored in objects of the same kind that belong to it, and its pods refer to them", async (t) => {
  const town = await startWithSecrets(t);
  const [db, more] = brought(town, "db");
  assert.equal(more, undefined);
  assert.deepEqual(db?.data, { password: base64("open sesame") });
  assert.deepEqual([db?.immutable, db?.type], [true, "Opaque"]);
  assert.equal(db?.metadata.namespace, "fairlead-peer-tokyo");
  assert.equal(db?.metadata.ownerReferences?.[0]?.uid, held(town)[0]?.metadata.uid);
  assert.equal(brought(town, "pull")[0]?.type, "kubernetes.io/dockerconfigjson");
  assert.deepEqual(brought(town, "site")[0]?.data, { greeting: "hello" });
  assert.deepEqual(brought(town, "inline")[0]?.data, { motto: "here" });
  assert.equal(passwordRef(town), db?.metadata.name);
  const pod = JSON.stringify(deployments(town)[0]?.spec);
  for (const name of ["site", "inline", "pull"])
    assert.ok(pod.includes(brought(town, name)[0]?.metadata.name ?? "?"), name);
});

test("a change is another object: pods are made anew, and the old one goes when nothing refers to it", async (t) => {
  const town = await startWithSecrets(t);
  const [before] = brought(town, "db");
  edit(town, "changed");
  await town.until("the new one is used", () => passwordRef(town) !== before?.metadata.name);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready" && brought(town, "db").length === 1);
  assert.deepEqual(brought(town, "db")[0]?.data, { password: base64("changed") });
  assert.equal(passwordRef(town), brought(town, "db")[0]?.metadata.name);
});

test("what has come is not taken for left over while the Workload that is to name it is being written", async (t) => {
  const deleted: string[] = [];
  const town: Town = await startTown(t, (client) => {
    const slow = slowWorkloads(() => town)(client);
    return {
      ...slow,
      async delete(kind, ref, o, signal) {
        if (kind.plural === "secrets") deleted.push(ref.name);
        return slow.delete(kind, ref, o, signal);
      },
    };
  });
  await shareAll(town);
  applyApp(town, "web", bringing);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const [before] = brought(town, "db");
  edit(town, "changed");
  await town.until("only the new one is left", () => {
    const all = brought(town, "db").map(({ data }) => JSON.stringify(data));
    return all.join() === JSON.stringify({ password: base64("changed") });
  });
  assert.deepEqual(deleted, [before?.metadata.name]);
});

test("without its Secret, or the label on it, an app is not sent, and says what to do; with it, it runs", async (t) => {
  const town = await startTown(t);
  await share(town, "configmaps", "site", { greeting: "hello" });
  await share(town, "secrets", "pull", {});
  applyApp(town, "web", bringing);
  await town.until("said", () => statusOf(town, "web").reason === "SecretNotShared");
  assert.equal(phaseOf(town, "web"), "Pending");
  assert.match(String(statusOf(town, "web").message), /kubectl -n shop label secret db fairlead.dev\/shared=true/);
  assert.ok(hostIsEmpty(town));
  const draft = { metadata: { namespace: "shop", name: "db" }, type: "Opaque", data: { password: base64("x") } };
  await town.agent("tokyo").cluster.create(secrets, secrets.parse(draft), never);
  for (let turn = 0; turn < 50; turn += 1) await town.clock.advance(100);
  assert.ok(hostIsEmpty(town), "it has no label");
  town.agent("tokyo").cluster.edit("secrets", "shop/db", ({ metadata }) => Object.assign(metadata, { labels: label }));
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("when the label goes, what runs goes on as it is, says so, and no change is sent; when it comes back, the change is", async (t) => {
  const town = await startWithSecrets(t);
  town.agent("tokyo").cluster.edit("secrets", "shop/db", ({ metadata }) => Object.assign(metadata, { labels: {} }));
  await town.until("said", () => statusOf(town, "web").reason === "SecretNotShared");
  assert.equal(phaseOf(town, "web"), "Degraded");
  assert.match(String(statusOf(town, "web").message), /goes on/);
  applyApp(town, "web", { ...bringing, image: "web:2" });
  edit(town, "secret of another life");
  for (let turn = 0; turn < 100; turn += 1) await town.clock.advance(100);
  assert.equal(containerOf(deployments(town)[0])?.image, "web:1");
  assert.deepEqual(brought(town, "db")[0]?.data, { password: base64("open sesame") });
  town.agent("tokyo").cluster.edit("secrets", "shop/db", ({ metadata }) => Object.assign(metadata, { labels: label }));
  await town.until("the change is there", () => containerOf(deployments(town)[0])?.image === "web:2");
});

test("a Secret that is lost, changed or taken over at the host is asked for again and put back", async (t) => {
  const town = await startWithSecrets(t);
  const { cluster } = town.agent("osaka");
  const [db] = brought(town, "db");
  const key = `fairlead-peer-tokyo/${db?.metadata.name}`;
  const isBack = (): boolean => {
    const [now] = brought(town, "db");
    return JSON.stringify(now?.data) === JSON.stringify({ password: base64("open sesame") });
  };
  cluster.purge("secrets", key);
  await town.until("it is back", isBack);
  cluster.edit("secrets", key, (object) => Object.assign(object, { data: { password: base64("of somebody else") } }));
  await town.until("it is mended", isBack);
  assert.equal(brought(town, "db").length, 1);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("a Secret that the host lost while the link was down is there again when it is up, from the digest on", async (t) => {
  const town = await startWithSecrets(t);
  await town.cut("tokyo", "osaka");
  await town.stop("osaka");
  const [db] = brought(town, "db");
  town.agent("osaka").cluster.purge("secrets", `fairlead-peer-tokyo/${db?.metadata.name}`);
  town.agent("osaka").start();
  for (let turn = 0; turn < 50; turn += 1) await town.clock.advance(100);
  assert.equal(brought(town, "db").length, 0);
  assert.match(JSON.stringify(held(town)[0]?.status), /ContentMissing/);
  assert.equal(deployments(town).length, 1, "what runs goes on");
  await town.connect("tokyo", "osaka");
  await town.until("it is back", () => brought(town, "db").length === 1);
});

test("nothing is sent again when both agents start anew and nothing has changed", async (t) => {
  const town = await startWithSecrets(t);
  const versions = (): unknown => held(town).map(({ metadata }) => metadata.generation);
  const before = versions();
  await town.cut("tokyo", "osaka");
  await town.stop("osaka");
  await town.stop("tokyo");
  town.agent("osaka").start();
  town.agent("tokyo").start();
  await town.connect("tokyo", "osaka");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.deepEqual(versions(), before);
  assert.equal(brought(town, "db").length, 1);
});

test("a person's approval covers what comes with an app: another content is held again, and what was approved runs on", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  await shareAll(town);
  applyApp(town, "web", bringing);
  await town.until("held", () => phaseOf(town, "web") === "Held");
  const first = waiting(town);
  const { host } = town.agent("osaka").workloads;
  await host.decide(first.name, { hash: first.hash, verdict: "Approved", by: "ada" }, never);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  edit(town, "other");
  await town.until("held anew", () => phaseOf(town, "web") === "Held");
  const second = waiting(town);
  assert.notEqual(second.hash, first.hash);
  assert.notEqual(second.app.secrets[0]?.hash, second.running?.secrets[0]?.hash, "what changed is shown");
  const [, ...rest] = [passwordRef(town), ...brought(town, "db")];
  assert.equal(rest.length, 2, "what runs keeps its own");
  assert.deepEqual(brought(town, "db").find(({ metadata }) => metadata.name === passwordRef(town))?.data, {
    password: base64("open sesame"),
  });
  await host.decide(second.name, { hash: second.hash, verdict: "Approved", by: "ada" }, never);
  await town.until("the new one runs", () => brought(town, "db").length === 1 && phaseOf(town, "web") === "Ready");
  assert.deepEqual(brought(town, "db")[0]?.data, { password: base64("other") });
});

test("an orphan is adopted with its Secrets once the new app's owner has shared them", async (t) => {
  const town = await startWithSecrets(t);
  const { cluster, workloads } = town.agent("tokyo");
  cluster.purge("remoteapps", "shop/web");
  await town.until("an orphan", () => workloads.origin.orphans().length === 1);
  const [orphan] = workloads.origin.orphans();
  assert.doesNotMatch(orphan?.spec ?? "", /hash/);
  await workloads.origin.adopt("osaka", orphan?.uid ?? "", never);
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.equal(held(town).length, 1);
  assert.equal(brought(town, "db").length, 1);
});

test("an app that is deleted leaves nothing that it brought", async (t) => {
  const town = await startWithSecrets(t);
  deleteApp(town, "web");
  await town.until(
    "gone",
    () => hostIsEmpty(town) && brought(town, "db").length + brought(town, "inline").length === 0,
  );
});
