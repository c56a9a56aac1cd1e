import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, eventually, type Json, mergePatch } from "./api.ts";
import type { Context } from "./suite.ts";

const startMs = 90_000;

export function jobTests(t: Context): void {
  const template = (script: string, restartPolicy = "Never"): object => ({
    spec: {
      restartPolicy,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "main", image: t.setting.shell, command: ["sh", "-c", script] }],
    },
  });
  const create = async (script: string, spec: object = {}, restartPolicy?: string): Promise<string> => {
    const name = t.name("job");
    const body = { metadata: { name }, spec: { template: template(script, restartPolicy), ...spec } };
    const { status, body: answer } = await t.api.ask("POST", t.group("batch/v1", "jobs"), { body });
    assert.equal(status, 201, JSON.stringify(answer));
    return t.group("batch/v1", "jobs", name);
  };
  const until = async (path: string, isRight: (job: Json) => boolean): Promise<Json> =>
    (
      await eventually(
        () => t.api.ask("GET", path),
        ({ body }) => isRight(body),
        startMs,
      )
    ).body;
  const is = (job: Json, type: string): Json =>
    job.status.conditions?.find((c: Json) => c.type === type && c.status === "True");
  const podsOf = async (path: string): Promise<Json[]> => {
    const query = { labelSelector: `batch.kubernetes.io/job-name=${path.split("/").at(-1)}` };
    return (await t.api.ask("GET", t.path("pods"), { query })).body.items;
  };

  test("a Job runs to its end and says so", async () => {
    const path = await create("echo worked", { completions: 2, parallelism: 2 });
    const job = await until(path, (now) => is(now, "Complete"));
    assert.equal(job.status.succeeded, 2);
    assert.ok(job.status.startTime && job.status.completionTime);
    assert.ok(is(job, "SuccessCriteriaMet"));
    assert.equal(job.spec.selector.matchLabels["batch.kubernetes.io/controller-uid"], job.metadata.uid);
    const pods = await podsOf(path);
    assert.deepEqual(
      pods.map(({ status }) => status.phase),
      ["Succeeded", "Succeeded"],
    );
    assert.equal((await t.api.ask("GET", t.path("pods", pods[0].metadata.name, "log"))).body, "worked\n");
    const change = { spec: { template: { spec: { restartPolicy: "OnFailure" } } } };
    const changed = await t.api.ask("PATCH", path, { type: mergePatch, body: change });
    assert.equal(changed.status, 422);
    await t.api.ask("DELETE", path, { query: { propagationPolicy: "Background" } });
    await eventually(
      () => podsOf(path),
      (left) => left.length === 0,
      startMs,
    );
  });

  test("a Job that fails is tried as often as its limit says", async () => {
    const path = await create("exit 1", { backoffLimit: 1 });
    const job = await until(path, (now) => is(now, "Failed"));
    assert.equal(is(job, "Failed").reason, "BackoffLimitExceeded");
    assert.equal(job.status.failed, 2);
    assert.equal((await podsOf(path)).length, 2);
  });

  test("a Job that restarts in place counts its restarts", async () => {
    const path = await create("exit 1", { backoffLimit: 1 }, "OnFailure");
    const job = await until(path, (now) => is(now, "Failed"));
    assert.equal(is(job, "Failed").reason, "BackoffLimitExceeded");
  });

  test("a Job that takes too long is ended", async () => {
    const path = await create("sleep 600", { activeDeadlineSeconds: 2 });
    const job = await until(path, (now) => is(now, "Failed"));
    assert.equal(is(job, "Failed").reason, "DeadlineExceeded");
    await eventually(
      () => podsOf(path),
      (left) => left.every(({ metadata, status }) => metadata.deletionTimestamp || status.phase !== "Running"),
      startMs,
    );
  });

  test("a Job is gone when its time after the end has passed", async () => {
    const path = await create("true", { ttlSecondsAfterFinished: 1 });
    await eventually(
      () => t.api.ask("GET", path),
      ({ status }: Answer) => status === 404,
      startMs,
    );
  });

  test("an indexed Job gives each pod its index", async () => {
    const path = await create("echo index $JOB_COMPLETION_INDEX", { completions: 2, completionMode: "Indexed" });
    const job = await until(path, (now) => is(now, "Complete"));
    assert.equal(job.status.completedIndexes, "0,1");
    const [pod] = (await podsOf(path)).filter(
      ({ metadata }) => metadata.annotations["batch.kubernetes.io/job-completion-index"] === "1",
    );
    assert.equal((await t.api.ask("GET", t.path("pods", pod.metadata.name, "log"))).body, "index 1\n");
  });

  test("a suspended Job waits", async () => {
    const path = await create("true", { suspend: true });
    const waiting = await until(path, (now) => is(now, "Suspended"));
    assert.equal(is(waiting, "Suspended").reason, "JobSuspended");
    assert.deepEqual(await podsOf(path), []);
    await t.api.ask("PATCH", path, { type: mergePatch, body: { spec: { suspend: false } } });
    await until(path, (now) => is(now, "Complete"));
  });

  test("a CronJob runs a Job when it is due", async () => {
    const name = t.name("cron");
    const spec = { schedule: "* * * * *", jobTemplate: { spec: { template: template("true") } } };
    const path = t.group("batch/v1", "cronjobs", name);
    const made = await t.api.ask("POST", t.group("batch/v1", "cronjobs"), { body: { metadata: { name }, spec } });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.deepEqual(
      [
        made.body.spec.concurrencyPolicy,
        made.body.spec.successfulJobsHistoryLimit,
        made.body.spec.failedJobsHistoryLimit,
      ],
      ["Allow", 3, 1],
    );
    const cron = await until(path, ({ status }) => status.lastSuccessfulTime);
    assert.ok(cron.status.lastScheduleTime);
    const { body } = await t.api.ask("GET", t.group("batch/v1", "jobs"));
    const [job] = body.items.filter(({ metadata }: Json) => metadata.ownerReferences?.[0]?.uid === cron.metadata.uid);
    assert.equal(job.metadata.name, `${name}-${Date.parse(cron.status.lastScheduleTime) / 60_000}`);
    await t.api.ask("DELETE", path);
  });

  test("a schedule that cannot be read is refused", async () => {
    const spec = { schedule: "61 * * * *", jobTemplate: { spec: { template: template("true") } } };
    const body = { metadata: { name: t.name("cron") }, spec };
    const { status, body: answer } = await t.api.ask("POST", t.group("batch/v1", "cronjobs"), { body });
    assert.equal(status, 422);
    assert.match(answer.message, /spec\.schedule: Invalid value/);
  });
}
