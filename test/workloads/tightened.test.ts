/** What becomes of what runs when a policy, a grant or the peer goes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applyApp,
  audited,
  conforms,
  deleteApp,
  events,
  held,
  phaseOf,
  replicasOf,
  rules,
  setPolicy,
  startTown,
  startWithWeb,
  statusOf,
} from "./story.ts";
import { fingerprintOf } from "./town.ts";

test("a policy that is tightened marks what runs and lets it run, unless it says Stop; loosened it runs again", async (t) => {
  const town = await startWithWeb(t);
  setPolicy(town, { deniedImages: ["web"] });
  await town.until("marked", () => conforms(town) === "False RunsOn");
  assert.equal(phaseOf(town, "web"), "Ready");
  assert.equal(replicasOf(town, "web:1"), 2);
  setPolicy(town, { deniedImages: ["web"], whenViolated: "Stop" });
  await town.until("stopped", () => replicasOf(town, "web:1") === 0 && phaseOf(town, "web") === "Denied");
  await town.until("said", () => conforms(town) === "False Stopped");
  assert.equal(statusOf(town, "web").reason, "Violates");
  assert.ok(events(town).includes("Violates"));
  setPolicy(town, { whenViolated: "Stop" });
  await town.until("runs again", () => replicasOf(town, "web:1") === 2 && phaseOf(town, "web") === "Ready");
  await town.until("conforms", () => conforms(town) === "True Conforms");
  assert.deepEqual(audited(town, "osaka"), [
    "app.admit allowed",
    "app.admit allowed images/denied",
    "app.admit denied images/denied",
    "app.stop done images/denied",
    "app.admit allowed",
    "app.resume done",
  ]);
});

test("a grant that is withdrawn stops what runs where the policy says so, and giving it again is enough", async (t) => {
  const town = await startWithWeb(t, { whenViolated: "Stop" });
  const { peering } = town.agent("osaka");
  peering.set("tokyo", { grants: [] });
  await town.until("stopped", () => replicasOf(town, "web:1") === 0 && phaseOf(town, "web") === "Denied");
  assert.deepEqual(rules(town, "web"), ["grants/apps"]);
  peering.set("tokyo", { grants: ["apps"] });
  await town.until("runs again", () => replicasOf(town, "web:1") === 2 && phaseOf(town, "web") === "Ready");
});

test("where the room became too small what came first goes on, through restarts too, and what came last has the next place", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { whenViolated: "Stop" });
  for (const name of ["one", "two", "three"]) {
    applyApp(town, name, { image: `${name}:1` });
    await town.until(`${name} runs`, () => phaseOf(town, name) === "Ready");
    // The API server's times have seconds.
    const [workload] = held(town).filter(({ spec }) => JSON.stringify(spec).includes(`"image":"${name}:1"`));
    const at = `2026-01-01T00:00:0${["one", "two", "three"].indexOf(name)}Z`;
    const key = `fairlead-peer-tokyo/${workload?.metadata.name}`;
    town.agent("osaka").cluster.edit("workloads", key, ({ metadata }) => {
      metadata.creationTimestamp = at;
    });
  }
  const running = (): unknown[] => ["one", "two", "three"].map((name) => replicasOf(town, `${name}:1`));
  setPolicy(town, { whenViolated: "Stop", quota: { pods: 2 } });
  await town.until("the last is stopped", () => phaseOf(town, "three") === "Denied");
  await town.until("and no other", () => running().join() === "1,1,0");
  await town.cut("tokyo", "osaka");
  await town.stop("osaka");
  town.agent("osaka").start();
  await town.connect("tokyo", "osaka");
  await town.clock.advance(5_000);
  assert.deepEqual(running(), [1, 1, 0]);
  deleteApp(town, "one");
  await town.until("the third has the place", () => replicasOf(town, "three:1") === 1);
});

test("where a bound on apps became smaller, only as many are stopped as are too many", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { whenViolated: "Stop" });
  const names = ["one", "two", "three"];
  for (const name of names) applyApp(town, name, { image: `${name}:1` });
  await town.until("all run", () => names.every((name) => phaseOf(town, name) === "Ready"));
  setPolicy(town, { whenViolated: "Stop", maxApps: 2 });
  await town.until("one is stopped", () => names.some((name) => phaseOf(town, name) === "Denied"));
  await town.clock.advance(5_000);
  assert.equal(names.filter((name) => replicasOf(town, `${name}:1`) === 1).length, 2);
});

test("what runs keeps its place through a restart, also before an older one that waits for it", async (t) => {
  const town = await startTown(t);
  const policy = { whenViolated: "Stop", quota: { pods: 1 } };
  setPolicy(town, policy);
  applyApp(town, "a-old", { image: "old:1" });
  await town.until("the first runs", () => phaseOf(town, "a-old") === "Ready");
  setPolicy(town, { ...policy, deniedImages: ["old"] });
  await town.until("it is stopped", () => replicasOf(town, "old:1") === 0 && phaseOf(town, "a-old") === "Denied");
  applyApp(town, "b-new", { image: "new:1" });
  await town.until("the second has the place", () => phaseOf(town, "b-new") === "Ready");
  setPolicy(town, policy);
  await town.until("the first waits for room", () => rules(town, "a-old")[0] === "quota/pods");
  await town.clock.advance(5_000); // The status that says so is written.
  await town.cut("tokyo", "osaka");
  await town.stop("osaka");
  town.agent("osaka").start();
  await town.connect("tokyo", "osaka");
  await town.clock.advance(5_000);
  assert.deepEqual([replicasOf(town, "old:1"), replicasOf(town, "new:1")], [0, 1]);
});

test("what runs on although it no longer conforms is not refused when its origin comes back to it", async (t) => {
  const town = await startWithWeb(t);
  setPolicy(town, { deniedImages: ["web"] });
  await town.until("marked", () => conforms(town) === "False RunsOn");
  applyApp(town, "web", { image: "web:2", replicas: 2 });
  await town.until("the edit is refused", () => phaseOf(town, "web") === "Denied");
  applyApp(town, "web", { image: "web:1", replicas: 2 });
  await town.until("it runs on", () => phaseOf(town, "web") === "Ready");
  assert.equal(replicasOf(town, "web:1"), 2);
});

test("what a former peer runs is kept as it is, and what was stopped does not start", async (t) => {
  const town = await startWithWeb(t, { whenViolated: "Stop" });
  applyApp(town, "evil", { image: "evil:1" });
  await town.until("Ready", () => phaseOf(town, "evil") === "Ready");
  setPolicy(town, { whenViolated: "Stop", deniedImages: ["evil"] });
  await town.until("stopped", () => replicasOf(town, "evil:1") === 0);
  await town.cut("tokyo", "osaka");
  town.agent("osaka").peering.set("tokyo", undefined);
  await town.clock.advance(10_000);
  assert.deepEqual([replicasOf(town, "web:1"), replicasOf(town, "evil:1")], [2, 0]);
  await town.stop("osaka");
  town.agent("osaka").start();
  await town.clock.advance(10_000);
  assert.deepEqual([replicasOf(town, "web:1"), replicasOf(town, "evil:1")], [2, 0]);
  const words = held(town).map(({ status }) => /"reason":"(Stopped|RunsOn)"/.exec(JSON.stringify(status))?.[1]);
  assert.deepEqual(words.sort(), ["RunsOn", "Stopped"]);
  assert.equal(town.agent("osaka").workloads.host.count(fingerprintOf("tokyo")), 2);
});
