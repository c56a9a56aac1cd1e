import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import { type Job, jobs } from "../../src/kube/resources.ts";
import { cronJobFor, editsOf, endOf, finishedRun, goesInMs, jobFor, runOf } from "../../src/workloads/host/job.ts";
import type { Plan } from "../../src/workloads/host/plan.ts";
import { workload } from "./objects.ts";

function planOf(app: JsonObject = {}, more: Partial<Plan> = {}): Plan {
  const asked = workload({ kind: "Job", ...app }).spec.app ?? assert.fail("A workload has an app.");
  const rest = { isStopped: false, replicas: 1, podSecurity: "baseline", nodeSelector: {}, surge: true } as const;
  return { app: asked, ...rest, ...more };
}

const run = (app: JsonObject = {}): string => runOf(planOf(app).app);

test("an app that changes asks for another run; what can be edited, and what means nothing for a Job, asks for none", () => {
  const same: JsonObject[] = [
    { replicas: 7 },
    { progressDeadlineSeconds: 9, revisionHistoryLimit: 3 },
    { job: {} },
    { job: { parallelism: 3, suspend: true, backoffLimit: 2, activeDeadlineSeconds: 9, ttlSecondsAfterFinished: 1 } },
    { secrets: [] },
  ];
  for (const app of same) assert.equal(run(app), run(), JSON.stringify(app));
  const others: JsonObject[] = [
    { image: "web:2" },
    { args: ["again"] },
    { restartedAt: "2026-11-21T12:00:00Z" },
    { job: { completions: 2 } },
    { restartPolicy: "OnFailure" },
  ];
  assert.equal(new Set([run(), ...others.map(run)]).size, others.length + 1);
});

test("neither the host's policy nor what a Secret holds makes a Job run again", () => {
  const [one, other] = ["a", "b"].map((digit) => run({ secrets: [{ name: "db", hash: digit.repeat(64) }] }));
  assert.equal(one, other);
  const restricted = planOf({}, { podSecurity: "restricted", nodeSelector: { pool: "lent" } });
  assert.equal(jobFor(workload(), restricted).metadata.name, jobFor(workload(), planOf()).metadata.name);
});

test("a Job is as the app says, but for its end, which the agent brings about", () => {
  const job = {
    completions: 4,
    parallelism: 2,
    backoffLimit: 1,
    completionMode: "Indexed",
    activeDeadlineSeconds: 60,
    ttlSecondsAfterFinished: 5,
  };
  const { spec, metadata } = jobFor(workload(), planOf({ job, restartPolicy: "OnFailure" }));
  const { template, ...rest } = spec ?? assert.fail("it has no spec");
  const { ttlSecondsAfterFinished: _, ...kept } = job;
  assert.deepEqual(rest, kept);
  assert.equal(template.spec?.restartPolicy, "OnFailure");
  assert.ok((metadata.name?.length ?? 99) <= 63);
  assert.equal(jobFor(workload(), planOf()).spec?.template.spec?.restartPolicy, "Never");
});

test("what may not run now is suspended, and goes on after that", () => {
  const stopped = { isStopped: true };
  assert.equal(jobFor(workload(), planOf({}, stopped)).spec?.suspend, true);
  const cronJob = { schedule: "0 3 * * *", suspend: false };
  assert.equal(cronJobFor(workload(), planOf({ kind: "CronJob", cronJob }, stopped)).spec?.suspend, true);
  const found = (spec: object): Job => jobs.parse({ spec: { ...spec } });
  const asServed = { parallelism: 1, backoffLimit: 6, suspend: false };
  assert.equal(editsOf(planOf(), found(asServed)), undefined);
  assert.deepEqual(editsOf(planOf({}, stopped), found(asServed)), { suspend: true });
  assert.deepEqual(editsOf(planOf(), found({ ...asServed, suspend: true })), { suspend: false });
  assert.deepEqual(editsOf(planOf({ job: { parallelism: 3 } }), found(asServed)), { parallelism: 3 });
  assert.deepEqual(editsOf(planOf(), found({ ...asServed, activeDeadlineSeconds: 9 })), {
    activeDeadlineSeconds: null,
  });
  const indexed = planOf({ job: { backoffLimitPerIndex: 1, completions: 2, completionMode: "Indexed" } });
  assert.equal(editsOf(indexed, found({ ...asServed, backoffLimit: 2 ** 31 - 1 })), undefined);
});

test("a CronJob and its Jobs are as the app says", () => {
  const cronJob = {
    schedule: "0 3 * * *",
    timeZone: "Europe/Berlin",
    concurrencyPolicy: "Forbid",
    failedJobsHistoryLimit: 2,
  };
  const job = { backoffLimit: 1, ttlSecondsAfterFinished: 60 };
  const { spec } = cronJobFor(workload(), planOf({ kind: "CronJob", cronJob, job }));
  const { jobTemplate, ...rest } = spec ?? assert.fail("it has no spec");
  assert.deepEqual(rest, cronJob);
  const { template, ...ofJobs } = jobTemplate.spec ?? assert.fail("its Jobs have no spec");
  assert.deepEqual(ofJobs, job);
  assert.equal(template.spec?.restartPolicy, "Never");
  assert.equal(jobTemplate.metadata?.labels?.["fairlead.dev/workload"], "web-0123456789");
});

test("how a run ended is told by its Job, and remembered for that run and for no other", () => {
  const status = {
    succeeded: 1,
    failed: 2,
    startTime: "2026-01-01T10:00:00Z",
    completionTime: "2026-01-01T10:05:00Z",
    conditions: [
      { type: "SuccessCriteriaMet", status: "True" },
      { type: "Complete", status: "True" },
    ],
  };
  const job = jobs.parse({ metadata: { annotations: { "fairlead.dev/run": run() } }, status });
  const end = endOf(job) ?? assert.fail("it has ended");
  assert.deepEqual(end, {
    run: run(),
    result: "Complete",
    succeeded: 1,
    failed: 2,
    startedAt: "2026-01-01T10:00:00Z",
    completedAt: "2026-01-01T10:05:00Z",
  });
  assert.equal(
    endOf(jobs.parse({ status: { active: 1, conditions: [{ type: "Complete", status: "False" }] } })),
    undefined,
  );
  const remembering = workload({}, { annotations: { "fairlead.dev/finished-run": JSON.stringify(end) } });
  assert.deepEqual(finishedRun(remembering, planOf().app), end);
  assert.equal(finishedRun(remembering, planOf({ image: "web:2" }).app), undefined);
  assert.equal(
    finishedRun(workload({}, { annotations: { "fairlead.dev/finished-run": "{" } }), planOf().app),
    undefined,
  );
});

test("a finished Job goes after its time, and stays where none is said", () => {
  const end = { run: "a", result: "Complete", succeeded: 1, failed: 0, completedAt: "2026-01-01T10:00:00Z" } as const;
  const at = Date.parse("2026-01-01T10:00:30Z");
  assert.equal(goesInMs(planOf({ job: { ttlSecondsAfterFinished: 40 } }).app, end, at), 10_000);
  assert.equal(goesInMs(planOf({ job: { ttlSecondsAfterFinished: 0 } }).app, end, at), 0);
  assert.equal(goesInMs(planOf().app, end, at), undefined);
});
