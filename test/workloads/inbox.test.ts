/** What a policy holds, and what becomes of it by a person's word. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeldItem } from "../../src/workloads/host/inbox.ts";
import {
  applyApp,
  audited,
  containerOf,
  deployments,
  events,
  held,
  isWaiting,
  never,
  phaseOf,
  replicasOf,
  setPolicy,
  startTown,
  statusOf,
  waiting,
} from "./story.ts";
import { fingerprintOf, type Town } from "./town.ts";

function decide(
  town: Town,
  item: Pick<HeldItem, "name" | "hash">,
  verdict: "Approved" | "Denied",
  more: { message?: string; lastsMs?: number } = {},
): Promise<HeldItem> {
  const { host } = town.agent("osaka").workloads;
  return host.decide(item.name, { hash: item.hash, verdict, by: "ada", ...more }, never);
}

test("what a policy holds runs nothing until a person approves it, and the origin sees Held, since when and by which rule", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web", { replicas: 2 });
  await town.until("Held", () => phaseOf(town, "web") === "Held");
  const { admission, conditions, message } = statusOf(town, "web");
  assert.match(String(message), /waits for a person/);
  assert.ok(typeof admission === "object" && admission !== null && !Array.isArray(admission));
  assert.equal(admission.verdict, "Held");
  assert.ok(admission.decidedAt);
  assert.match(JSON.stringify(admission.findings), /"rule":"approval\/always"/);
  assert.match(JSON.stringify(conditions), /"type":"Admitted","status":"Unknown"|"status":"Unknown","type":"Admitted"/);
  assert.deepEqual(deployments(town), []);
  assert.equal(held(town)[0]?.spec?.running, undefined);

  const item = waiting(town);
  assert.equal(item.name, `tokyo/${held(town)[0]?.metadata.name}`);
  assert.deepEqual([item.peer, item.origin.namespace, item.origin.name], ["tokyo", "shop", "web"]);
  assert.equal(item.app.image, "web:1");
  const decided = await decide(town, item, "Approved", { message: "looks fine" });
  assert.equal(decided.state, "Approved");
  assert.equal(decided.decision?.by, "ada");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.equal(statusOf(town, "web").readyReplicas, 2);
  assert.deepEqual(held(town)[0]?.spec?.running, held(town)[0]?.spec?.app);
  for (const reason of ["Held", "Approved"]) assert.ok(events(town).includes(reason), events(town).join());
  const told = JSON.stringify(statusOf(town, "web"));
  assert.ok(told.includes("looks fine") && !told.includes("ada"), "the origin hears why, and not from whom");
});

test("edited while held means held anew; what the approver saw is what runs", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web", { image: "web:1" });
  await town.until("Held", () => isWaiting(town));
  const seen = waiting(town);
  applyApp(town, "web", { image: "evil:1" });
  await town.until("the edit waits", () => waiting(town).app.image === "evil:1");
  await assert.rejects(decide(town, seen, "Approved"), { code: "changed" });
  assert.deepEqual(deployments(town), []);
  const now = waiting(town);
  assert.notEqual(now.hash, seen.hash);
  await decide(town, now, "Approved");
  await town.until("runs", () => phaseOf(town, "web") === "Ready");
  assert.deepEqual(
    deployments(town).map((one) => containerOf(one)?.image),
    ["evil:1"],
  );
});

test("an edit that comes while a decision is written is not admitted by it", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web", { image: "web:1" });
  await town.until("Held", () => isWaiting(town));
  const { cluster } = town.agent("osaka");
  const seen = waiting(town);
  const key = `fairlead-peer-tokyo/${seen.name.slice("tokyo/".length)}`;
  // The agent does not know of this edit yet: its own cache is behind.
  cluster.edit("workloads", key, ({ spec }) => {
    if (spec) spec.app = { ...Object(spec.app), image: "evil:1" };
  });
  await assert.rejects(decide(town, seen, "Approved"), { code: "changed" });
  await town.until("it waits", () => isWaiting(town) && waiting(town).app.image === "evil:1");
  assert.deepEqual(deployments(town), []);
});

test("an edit that comes while an approval is carried out is not admitted by it", async (t) => {
  let meddle = true;
  const town: Town = await startTown(t, (client) => ({
    ...client,
    async apply(kind, object, o, signal) {
      const isAdmission = kind.plural === "workloads" && JSON.stringify(kind.format(object)).includes('"running"');
      if (isAdmission && meddle) {
        meddle = false;
        const key = `${object.metadata.namespace}/${object.metadata.name}`;
        town.agent("osaka").cluster.edit("workloads", key, ({ spec }) => {
          if (spec) spec.app = { ...Object(spec.app), image: "evil:1" };
        });
      }
      return client.apply(kind, object, o, signal);
    },
  }));
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web", { image: "web:1" });
  await town.until("Held", () => isWaiting(town));
  await decide(town, waiting(town), "Approved");
  await town.until("the edit waits", () => isWaiting(town) && waiting(town).app.image === "evil:1");
  await town.clock.advance(5_000);
  assert.deepEqual(deployments(town), []);
});

test("a person's no is shown with its reason, is not asked again, and counts for that very wish alone", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web", { image: "web:1" });
  await town.until("Held", () => isWaiting(town));
  await decide(town, waiting(town), "Denied", { message: "not on a Friday" });
  await town.until("Denied", () => phaseOf(town, "web") === "Denied");
  assert.match(String(statusOf(town, "web").message), /not on a Friday/);
  assert.ok(events(town).includes("Denied"), events(town).join());
  assert.equal(isWaiting(town), false);
  applyApp(town, "web", { image: "web:2" });
  await town.until("held anew", () => isWaiting(town) && phaseOf(town, "web") === "Held");
  applyApp(town, "web", { image: "web:1" });
  await town.until("denied as before", () => phaseOf(town, "web") === "Denied");
  const [item] = town.agent("osaka").workloads.host.held();
  assert.deepEqual([item?.state, item?.app.image, item?.decision?.message], ["Denied", "web:1", "not on a Friday"]);
  assert.deepEqual(deployments(town), []);
});

test("while a change is held or denied, what ran before runs on and is reached", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web", { image: "web:1", replicas: 2 });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web", { image: "web:2", replicas: 2 });
  await town.until("Held", () => phaseOf(town, "web") === "Held");
  assert.match(String(statusOf(town, "web").message), /What ran before runs on\./);
  assert.equal(statusOf(town, "web").readyReplicas, 2);
  assert.deepEqual(
    deployments(town).map((one) => containerOf(one)?.image),
    ["web:1"],
  );
  const { host } = town.agent("osaka").workloads;
  assert.equal(host.find(fingerprintOf("tokyo"), { namespace: "shop", name: "web" })?.phase, "Ready");
  const item = waiting(town);
  assert.deepEqual([item.running?.image, item.app.image], ["web:1", "web:2"]);
  await decide(town, item, "Denied");
  await town.until("Denied", () => phaseOf(town, "web") === "Denied");
  assert.equal(replicasOf(town, "web:1"), 2);
  await decide(town, item, "Approved");
  await town.until("web:2 runs", () => phaseOf(town, "web") === "Ready");
  assert.deepEqual(
    deployments(town).map((one) => containerOf(one)?.image),
    ["web:2"],
  );
});

test("an approval that expires stops what runs by it, and it waits for a person again", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web");
  await town.until("Held", () => isWaiting(town));
  const hour = 3_600_000;
  await decide(town, waiting(town), "Approved", { lastsMs: hour });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const { admission } = statusOf(town, "web");
  assert.match(JSON.stringify(admission), /"until":"/, "the origin sees until when");
  await town.clock.advance(hour - 60_000);
  assert.equal(phaseOf(town, "web"), "Ready");
  await town.clock.advance(60_000);
  await town.until("stopped within a second", () => replicasOf(town, "web:1") === 0, 1_000);
  await town.until("Held", () => phaseOf(town, "web") === "Held" && isWaiting(town));
  await decide(town, waiting(town), "Approved");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  assert.equal(replicasOf(town, "web:1"), 1);
});

test("an approval ends within a minute of its end when the wall clock leaps over it", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web");
  await town.until("Held", () => isWaiting(town));
  await decide(town, waiting(town), "Approved", { lastsMs: 86_400_000 });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  town.clock.jump(86_400_000);
  await town.clock.advance(60_000);
  await town.until("stopped", () => replicasOf(town, "web:1") === 0, 1_000);
});

test("the end of the approval of what runs is kept while a change of it is decided", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always", approvalLasts: "1h" });
  applyApp(town, "web", { image: "web:1" });
  await town.until("Held", () => isWaiting(town));
  await decide(town, waiting(town), "Approved");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  applyApp(town, "web", { image: "web:2" });
  await town.until("Held", () => isWaiting(town));
  await decide(town, waiting(town), "Denied");
  await town.until("Denied", () => phaseOf(town, "web") === "Denied");
  assert.equal(replicasOf(town, "web:1"), 1);
  await town.stop("osaka");
  town.agent("osaka").start();
  await town.clock.advance(3_600_000);
  await town.until("stopped", () => replicasOf(town, "web:1") === 0);
});

test("what a person denied while it ran stays stopped when a change of it is denied too", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web", { image: "web:1" });
  await town.until("Held", () => isWaiting(town));
  const first = waiting(town);
  await decide(town, first, "Approved");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  await decide(town, first, "Denied", { message: "it mines" });
  await town.until("stopped", () => replicasOf(town, "web:1") === 0 && phaseOf(town, "web") === "Denied");
  applyApp(town, "web", { image: "web:2" });
  await town.until("Held", () => isWaiting(town));
  await decide(town, waiting(town), "Denied");
  await town.until("Denied", () => phaseOf(town, "web") === "Denied");
  await town.stop("osaka");
  town.agent("osaka").start();
  await town.clock.advance(60_000);
  assert.equal(replicasOf(town, "web:1"), 0);
  applyApp(town, "web", { image: "web:1" });
  await town.until("the first no counts still", () => /it mines/.test(String(statusOf(town, "web").message)));
  assert.equal(replicasOf(town, "web:1"), 0);
});

test("a decision outlives a restart between it and what it allows", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web");
  await town.until("Held", () => isWaiting(town));
  const decided = decide(town, waiting(town), "Approved");
  await town.clock.advance(0);
  await decided;
  await town.cut("tokyo", "osaka");
  await town.stop("osaka");
  town.agent("osaka").start();
  await town.connect("tokyo", "osaka");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("nobody decides about what does not wait, or about another's item by its name", async (t) => {
  const town = await startTown(t);
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const name = `tokyo/${held(town)[0]?.metadata.name}`;
  for (const wrong of [name, "tokyo/none", "none", "", `kyoto/${name}`, "tokyo/../web"]) {
    await assert.rejects(decide(town, { name: wrong, hash: "0" }, "Approved"), { code: "not-found" });
  }
});

test("each decision is in the audit of both ends once, with the same correlation", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { approval: "Always" });
  applyApp(town, "web");
  await town.until("Held", () => phaseOf(town, "web") === "Held");
  await decide(town, waiting(town), "Approved", { message: "fine" });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  await town.cut("tokyo", "osaka");
  for (const name of ["tokyo", "osaka"]) await town.stop(name);
  for (const name of ["tokyo", "osaka"]) town.agent(name).start();
  await town.connect("tokyo", "osaka");
  await town.clock.advance(30_000);
  assert.deepEqual(audited(town, "osaka"), [
    "app.admit held approval/always",
    "app.decide allowed approval",
    "app.admit allowed",
  ]);
  assert.deepEqual(audited(town, "tokyo"), ["app.answer held approval/always", "app.answer allowed"]);
  const uid = town.agent("tokyo").cluster.objects.get("remoteapps/shop/web")?.metadata.uid;
  const all = [...town.agent("tokyo").audited, ...town.agent("osaka").audited];
  assert.deepEqual(new Set(all.map(({ correlation }) => correlation)), new Set([`wish:${uid}/1`]));
  assert.deepEqual(new Set(all.map(({ target }) => target)), new Set(["shop/web"]));
  assert.equal(all.find(({ action }) => action === "app.decide")?.actor.person, "ada");
});
