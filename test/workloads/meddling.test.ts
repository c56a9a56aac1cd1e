/** What the host's cluster, and people in it, do to a peer's app, and what the agent makes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { namespaces } from "../../src/kube/resources.ts";
import { kubeError } from "./cluster.ts";
import {
  applyApp,
  deleteApp,
  deployments,
  findApp,
  held,
  hostIsEmpty,
  never,
  phaseOf,
  startTown,
  statusOf,
} from "./story.ts";
import { fingerprintOf } from "./town.ts";

test("a Deployment that somebody edits or deletes is put back", async (t) => {
  const town = await startTown(t);
  const { cluster } = town.agent("osaka");
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const { name } = held(town)[0]?.metadata ?? {};
  const key = `fairlead-peer-tokyo/${name}`;
  cluster.edit("deployments", key, (object) => {
    object.spec = { ...object.spec, replicas: 7 };
  });
  await town.until("put back", () => deployments(town)[0]?.spec?.replicas === 1);
  cluster.purge("deployments", key);
  await town.until("made again", () => deployments(town).length === 1 && phaseOf(town, "web") === "Ready");
  cluster.purge("services", key);
  await town.until("Service made again", () => cluster.all("services").length === 1);
  cluster.purge("workloads", key);
  await town.until("asked for again", () => held(town).length === 1 && deployments(town).length === 1);
});

test("a namespace by the right name that carries no mark, or another peer's, is never used", async (t) => {
  const town = await startTown(t);
  const { cluster } = town.agent("osaka");
  await cluster.create(namespaces, { metadata: { name: "fairlead-peer-tokyo" } }, never);
  applyApp(town, "web");
  await town.until("refused", () => statusOf(town, "web").reason === "NamespaceTaken");
  assert.ok(hostIsEmpty(town));
  cluster.edit("namespaces", "fairlead-peer-tokyo", ({ metadata }) => {
    metadata.labels = { "fairlead.dev/peer-fingerprint": fingerprintOf("mallory").slice(0, 63) };
  });
  applyApp(town, "web", { replicas: 2 });
  await town.until("refused again", () => /another peer/.test(String(statusOf(town, "web").message)));
  assert.ok(hostIsEmpty(town));
});

test("what the host's cluster refuses is shown with its words, tried again now and then, and no ill health of the agent", async (t) => {
  const town = await startTown(t, (client) => ({
    ...client,
    apply: async (kind, object, o, signal) => {
      if (kind.plural === "deployments" && isForbidden) throw kubeError(403, "Forbidden", "exceeded quota: pods=0");
      return client.apply(kind, object, o, signal);
    },
  }));
  let isForbidden = true;
  applyApp(town, "web");
  await town.until("Forbidden", () => statusOf(town, "web").reason === "Forbidden");
  assert.match(String(statusOf(town, "web").message), /exceeded quota/);
  assert.equal(phaseOf(town, "web"), "Degraded");
  await town.clock.advance(30_000);
  assert.equal(town.agent("osaka").workloads.host.oldestPendingMs(), 0);
  isForbidden = false;
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("what the garbage collector deletes is not put back, even while the host's cache is behind", async (t) => {
  let isBehind = false;
  let applies = 0;
  const { promise: caughtUp, resolve: catchUp } = Promise.withResolvers<void>();
  const town = await startTown(t, (client) => ({
    ...client,
    apply(kind, object, o, signal) {
      if (kind.plural === "deployments") applies += 1;
      return client.apply(kind, object, o, signal);
    },
    async *watch(kind, o, signal) {
      for await (const event of client.watch(kind, o, signal)) {
        if (isBehind && kind.plural === "workloads") await caughtUp;
        yield event;
      }
    },
  }));
  t.after(() => catchUp());
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  isBehind = true;
  const before = applies;
  deleteApp(town, "web");
  await town.until("all is gone at the host", () => hostIsEmpty(town));
  for (let second = 0; second < 20; second += 1) await town.clock.advance(1_000);
  assert.equal(applies, before, "no Deployment was made again");
  assert.ok(hostIsEmpty(town));
  catchUp();
  await town.until("gone here", () => findApp(town, "web") === undefined);
});

test("somebody who undoes every repair is not fought at full speed", async (t) => {
  const town = await startTown(t);
  const { cluster } = town.agent("osaka");
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  let undone = 0;
  for (let step = 0; step < 100; step += 1) {
    const found = deployments(town)[0];
    if (found) {
      cluster.purge("deployments", `${found.metadata.namespace}/${found.metadata.name}`);
      undone += 1;
    }
    await town.clock.advance(100);
  }
  assert.ok(undone <= 12, `within ten seconds it was put back ${undone} times`);
  await town.until("it is back", () => deployments(town).length === 1 && phaseOf(town, "web") === "Ready");
});
