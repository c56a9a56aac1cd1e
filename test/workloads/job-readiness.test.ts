import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import type { CronJob, Job, Pod } from "../../src/kube/resources.ts";
import type { FinishedRun } from "../../src/workloads/host/observed.ts";
import { type Readiness, readiness } from "../../src/workloads/host/readiness.ts";
import { pod } from "./objects.ts";

const now = Date.UTC(2026, 0, 1, 12);

function jobOf(status: JsonObject, spec: JsonObject = {}, createdAt = "2026-01-01T11:00:00Z"): Job {
  return JSON.parse(JSON.stringify({ metadata: { name: "web", creationTimestamp: createdAt }, spec, status }));
}

function look(o: { job?: Job; cronJob?: JsonObject; jobs?: Job[]; pods?: Pod[]; finished?: FinishedRun }): Readiness {
  const cronJob: CronJob | undefined =
    o.cronJob && JSON.parse(JSON.stringify({ metadata: { name: "web" }, ...o.cronJob }));
  const controller = cronJob
    ? { kind: "CronJob" as const, object: cronJob }
    : o.job && { kind: "Job" as const, object: o.job };
  return readiness({
    desired: 2,
    controller,
    pods: o.pods ?? [],
    template: "now",
    lastLines: () => undefined,
    progressDeadlineSeconds: 600,
    now,
    ...(o.jobs ? { jobs: o.jobs } : {}),
    ...(o.finished ? { finished: o.finished } : {}),
  });
}

const word = ({ phase, reason }: Readiness): string => `${phase} ${reason}`;

function told({ job }: Readiness): JsonObject {
  return JSON.parse(JSON.stringify({ ...job, $typeName: undefined }));
}

const complete = { type: "Complete", status: "True", reason: "CompletionsReached" };
const startTime = "2026-01-01T11:00:00Z";

test("a Job that runs says how far it is", () => {
  const seen = look({ job: jobOf({ active: 2, ready: 1, succeeded: 3, startTime }, { completions: 5 }) });
  assert.equal(word(seen), "Progressing Running");
  assert.equal(seen.message, "3 of 5 completed, 2 pods at work.");
  assert.deepEqual(told(seen), { active: 2, succeeded: 3, failed: 0, startedAt: startTime });
  assert.deepEqual([seen.replicas, seen.readyReplicas], [2, 1]);
});

test("a Job that has completed is Ready, and goes on so when it is gone", () => {
  const completionTime = "2026-01-01T11:30:00Z";
  const seen = look({ job: jobOf({ succeeded: 5, failed: 1, startTime, completionTime, conditions: [complete] }) });
  assert.equal(word(seen), "Ready Completed");
  assert.equal(seen.message, "It has completed: 5 pods ended well, and 1 pod failed.");
  const finished = {
    result: "Complete",
    startedAt: startTime,
    completedAt: completionTime,
    succeeded: 5,
    failed: 1,
  } as const;
  const gone = look({ finished });
  assert.deepEqual([word(gone), gone.message], [word(seen), seen.message]);
  assert.deepEqual(told(gone), told(seen));
  assert.deepEqual(told(gone), {
    active: 0,
    succeeded: 5,
    failed: 1,
    startedAt: startTime,
    completedAt: completionTime,
  });
});

test("a Job that has failed says why, in Kubernetes' words", () => {
  const message = "Job has reached the specified backoff limit";
  const condition = { type: "Failed", status: "True", reason: "BackoffLimitExceeded", message };
  const seen = look({ job: jobOf({ failed: 7, startTime, conditions: [condition] }) });
  assert.equal(word(seen), "Degraded BackoffLimitExceeded");
  assert.equal(seen.message, `It has failed: ${message}; failed pods: 7`);
});

test("pods of a Job that failed are tried again and are no trouble yet, one that cannot begin is", () => {
  const end = { terminated: { exitCode: 1, finishedAt: "2026-01-01T11:59:00Z" } };
  const failed = pod("a", { state: end, more: { phase: "Failed" } });
  const job = jobOf({ active: 1, failed: 1, startTime });
  const tried = look({ job, pods: [failed] });
  assert.equal(word(tried), "Progressing Running");
  assert.equal(tried.message, "0 completed, 1 pod at work. Failed so far: 1.");
  assert.equal(tried.crashes.length, 1, "its last lines are told all the same");
  const stuck = pod("b", {
    state: { waiting: { reason: "ImagePullBackOff", message: "no such image" } },
    more: { phase: "Pending" },
  });
  assert.equal(word(look({ job, pods: [failed, stuck] })), "Degraded ImagePullBackOff");
});

test("a Job or a CronJob that is suspended is Ready and does nothing", () => {
  assert.equal(word(look({ job: jobOf({}, { suspend: true }) })), "Ready Suspended");
  assert.equal(word(look({ cronJob: { spec: { suspend: true } } })), "Ready Suspended");
});

test("before there is anything, a Job and a CronJob are Pending", () => {
  assert.equal(word(look({})), "Pending NotCreated");
});

test("a CronJob tells its latest Job, and is well unless that failed", () => {
  const lastScheduleTime = "2026-01-01T11:58:00Z";
  const lastSuccessfulTime = "2026-01-01T11:57:10Z";
  const cronJob = { spec: { schedule: "* * * * *" }, status: { lastScheduleTime, lastSuccessfulTime } };
  const first = jobOf(
    { succeeded: 1, startTime: "2026-01-01T11:57:00Z", conditions: [complete] },
    {},
    "2026-01-01T11:57:00Z",
  );
  const second = (status: JsonObject): Job => jobOf({ startTime: lastScheduleTime, ...status }, {}, lastScheduleTime);
  const running = look({ cronJob, jobs: [first, second({ active: 1 })] });
  assert.equal(word(running), "Ready Running");
  assert.deepEqual(told(running), {
    active: 1,
    succeeded: 0,
    failed: 0,
    startedAt: lastScheduleTime,
    lastScheduleAt: lastScheduleTime,
    lastSuccessAt: lastSuccessfulTime,
  });
  const well = look({ cronJob, jobs: [second({ succeeded: 1, conditions: [complete] }), first] });
  assert.equal(word(well), "Ready Scheduled");
  const failure = { type: "Failed", status: "True", reason: "DeadlineExceeded", message: "too long" };
  const bad = look({ cronJob, jobs: [first, second({ failed: 1, conditions: [failure] })] });
  assert.equal(word(bad), "Degraded DeadlineExceeded");
  assert.match(bad.message, /^Its latest Job, of 2026-01-01T11:58:00Z: It has failed/);
  const none = look({ cronJob: { spec: {}, status: {} }, jobs: [] });
  assert.deepEqual([word(none), none.message], ["Ready Scheduled", "No Job of it has begun yet."]);
});

test("a CronJob whose pods cannot begin is in trouble, also before the first of them ends", () => {
  const cronJob = { spec: {}, status: {} };
  const jobs = [jobOf({ active: 1, startTime })];
  const stuck = pod("b", { state: { waiting: { reason: "CreateContainerConfigError" } }, more: { phase: "Pending" } });
  assert.equal(word(look({ cronJob, jobs, pods: [stuck] })), "Degraded CreateContainerConfigError");
});
