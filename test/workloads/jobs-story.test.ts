import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import type { Stored } from "./cluster.ts";
import {
  applyApp,
  deleteApp,
  deployments,
  findApp,
  held,
  hostIsEmpty,
  phaseOf,
  setPolicy,
  startTown,
  statusOf,
} from "./story.ts";
import type { Town } from "./town.ts";

const once = (more: JsonObject = {}): JsonObject => ({ kind: "Job", ports: [], ...more });

function jobs(town: Town): Stored[] {
  return town.agent("osaka").cluster.all("jobs");
}

/** As Kubernetes would, when the pods of the Job that runs have ended. */
function end(town: Town, type: "Complete" | "Failed"): void {
  const [job] = jobs(town);
  const at = new Date(town.clock.now()).toISOString();
  town.agent("osaka").cluster.edit("jobs", `${job?.metadata.namespace}/${job?.metadata.name}`, (object) => {
    const conditions = [{ type, status: "True", lastTransitionTime: at, reason: "Done" }];
    object.status = { succeeded: type === "Complete" ? 1 : 0, failed: 0, completionTime: at, conditions };
  });
}

function remembered(town: Town): string {
  return held(town)[0]?.metadata.annotations?.["fairlead.dev/finished-run"] ?? "";
}

async function startJob(t: Parameters<typeof startTown>[0], more: JsonObject = {}): Promise<Town> {
  const town = await startTown(t);
  setPolicy(town, {});
  applyApp(town, "once", once(more));
  await town.until("runs", () => jobs(town).length === 1);
  return town;
}

test("a Job runs once, and after its time it goes and never runs again", async (t) => {
  const town = await startJob(t, { job: { ttlSecondsAfterFinished: 60 } });
  assert.equal(deployments(town).length, 0);
  end(town, "Complete");
  await town.until("remembered", () => remembered(town).includes('"result":"Complete"'));
  assert.equal(jobs(town).length, 1, "its time has not come");
  await town.until("Ready", () => phaseOf(town, "once") === "Ready");
  await town.until("gone", () => jobs(town).length === 0);
  await town.clock.advance(3_600_000);
  assert.equal(jobs(town).length, 0);
  assert.equal(phaseOf(town, "once"), "Ready");
});

test("an app that changes runs anew, and not before its earlier run is gone", async (t) => {
  const town = await startJob(t);
  const [first] = jobs(town);
  applyApp(town, "once", once({ image: "web:2" }));
  let most = 0;
  await town.until("runs anew", () => {
    most = Math.max(most, jobs(town).length);
    return jobs(town).length === 1 && jobs(town)[0]?.metadata.name !== first?.metadata.name;
  });
  assert.equal(most, 1);
});

test("a Job that has ended runs again when its app is changed or restarted, and not when something else is", async (t) => {
  const town = await startJob(t);
  end(town, "Failed");
  await town.until("remembered", () => remembered(town).includes('"result":"Failed"'));
  const [first] = jobs(town);
  setPolicy(town, { podSecurity: "restricted" });
  applyApp(town, "once", once({ job: { backoffLimit: 9, parallelism: 2 } }));
  await town.clock.advance(60_000);
  assert.deepEqual(
    jobs(town).map(({ metadata }) => metadata.uid),
    [first?.metadata.uid],
  );
  applyApp(town, "once", once({ restartedAt: "2026-11-21T12:00:00Z" }));
  await town.until("again", () => jobs(town).length === 1 && jobs(town)[0]?.metadata.uid !== first?.metadata.uid);
});

test("a running Job that somebody deletes is made again; one that has ended is not", async (t) => {
  const town = await startJob(t);
  const remove = (): void => {
    const [job] = jobs(town);
    town.agent("osaka").cluster.purge("jobs", `${job?.metadata.namespace}/${job?.metadata.name}`);
  };
  remove();
  await town.until("again", () => jobs(town).length === 1);
  end(town, "Complete");
  await town.until("remembered", () => remembered(town) !== "");
  remove();
  await town.clock.advance(60_000);
  assert.equal(jobs(town).length, 0);
});

test("an app that goes takes its Job along, and one of the same name runs anew", async (t) => {
  const town = await startJob(t);
  end(town, "Complete");
  await town.until("remembered", () => remembered(town) !== "");
  deleteApp(town, "once");
  await town.until("gone", () => findApp(town, "once") === undefined && hostIsEmpty(town) && jobs(town).length === 0);
  applyApp(town, "once", once());
  await town.until("runs", () => jobs(town).length === 1);
});

test("a CronJob is made, edited in place, and put back", async (t) => {
  const town = await startTown(t);
  setPolicy(town, {});
  const { cluster } = town.agent("osaka");
  const nightly = (schedule: string): JsonObject =>
    once({ kind: "CronJob", cronJob: { schedule, concurrencyPolicy: "Forbid" } });
  applyApp(town, "nightly", nightly("0 3 * * *"));
  await town.until("made", () => cluster.all("cronjobs").length === 1);
  const [made] = cluster.all("cronjobs");
  applyApp(town, "nightly", nightly("0 4 * * *"));
  await town.until("edited", () => cluster.all("cronjobs")[0]?.spec?.schedule === "0 4 * * *");
  assert.equal(cluster.all("cronjobs")[0]?.metadata.uid, made?.metadata.uid);
  cluster.edit("cronjobs", `${made?.metadata.namespace}/${made?.metadata.name}`, (object) => {
    object.spec = { ...object.spec, schedule: "* * * * *" };
  });
  await town.until("put back", () => cluster.all("cronjobs")[0]?.spec?.schedule === "0 4 * * *");
});

for (const result of ["Complete", "Failed"] as const) {
  test(`a Job that ended (${result}) takes no room: who waits gets it at once, and it stands as it stood`, async (t) => {
    const town = await startTown(t);
    setPolicy(town, { quota: { pods: 1 }, whenViolated: "Stop" });
    applyApp(town, "once", once());
    await town.until("runs", () => jobs(town).length === 1);
    applyApp(town, "web");
    await town.until("waits", () => phaseOf(town, "web") === "Denied");
    end(town, result);
    await town.until("web runs", () => phaseOf(town, "web") === "Ready", 5_000);
    const ended = result === "Complete" ? "Ready" : "Degraded";
    await town.until("told", () => phaseOf(town, "once") === ended);
    // What is judged again finds no room taken that is not free.
    setPolicy(town, { quota: { pods: 1 }, whenViolated: "Stop", maxReplicas: 5 });
    await town.clock.advance(5_000);
    assert.deepEqual([phaseOf(town, "once"), phaseOf(town, "web")], [ended, "Ready"]);
    applyApp(town, "once", once({ image: "web:2" }));
    await town.until("to run anew it needs room", () => JSON.stringify(statusOf(town, "once")).includes("quota/pods"));
    assert.equal(jobs(town).length, 1);
    assert.equal(phaseOf(town, "web"), "Ready");
  });
}

test("what a Job that ended keeps its data in still counts", async (t) => {
  const town = await startTown(t);
  setPolicy(town, { quota: { persistentvolumeclaims: 1 }, storage: { classes: ["standard"] } });
  const spec = { storageClassName: "standard", resources: { requests: { storage: "1Gi" } } };
  const claims = [{ name: "data", spec }];
  applyApp(town, "once", once({ claims }));
  await town.until("runs", () => jobs(town).length === 1);
  end(town, "Complete");
  await town.until("Ready", () => phaseOf(town, "once") === "Ready");
  applyApp(town, "web", { claims });
  await town.until("refused", () => JSON.stringify(statusOf(town, "web")).includes("quota/persistentvolumeclaims"));
});
