/** An app that runs to an end, once or by the clock. Pure. */
import { createHash } from "node:crypto";
import { clone, toJson } from "@bufbuild/protobuf";
import { AppCronJobSchema, AppJobSchema } from "../../gen/fairlead/resources/v1alpha1/app_job_pb.ts";
import { type RemoteAppSpec, RemoteAppSpecSchema } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { type Draft, isJsonObject, type JsonObject } from "../../kube/object.ts";
import { type CronJob, cronJobs, type Job, jobs, type Workload } from "../../kube/resources.ts";
import { canonicalJson } from "../../policy/spec-hash.ts";
import { withoutHashes } from "./attachments.ts";
import { metadataFor } from "./manifests.ts";
import { annotations, labelsFor } from "./names.ts";
import type { Plan } from "./plan.ts";
import { templateFor } from "./pod.ts";

/**
 * Which run an app asks for. Kubernetes lets nobody edit the pods of a Job, so an app that changes runs anew: another run. What can be
 * edited makes none, nor does what is no word of the app: the host's policy, or the content of a Secret. Else a Job that has
 * ended would run again because somebody here thought of something.
 */
export function runOf(app: RemoteAppSpec): string {
  const asked = clone(RemoteAppSpecSchema, withoutHashes(app));
  for (const field of [...edited, "ttlSecondsAfterFinished"] as const) delete asked.job?.[field];
  for (const field of uncounted) delete asked[field];
  if (asked.job && Object.keys(jsonOf(AppJobSchema, asked.job)).length === 0) delete asked.job;
  const text = canonicalJson(toJson(RemoteAppSpecSchema, asked));
  return createHash("sha256").update(text).digest("hex").slice(0, 10);
}

/** Of a Job's spec, what Kubernetes lets one edit. */
const edited = ["activeDeadlineSeconds", "backoffLimit", "parallelism", "suspend"] as const;
/** Of an app, what means nothing for a Job. */
const uncounted = ["replicas", "progressDeadlineSeconds", "revisionHistoryLimit"] as const;

/** Of one run. It ends by itself when its time has come, and not by Kubernetes' clock: that it has ended is remembered before. */
export function jobFor(workload: Workload, plan: Plan): Draft<Job> {
  const run = runOf(plan.app);
  const metadata = metadataFor(workload, `${workload.metadata.name ?? ""}-${run}`);
  const spec = { ...jobSpec(workload, plan), ...editable(plan) };
  delete spec.ttlSecondsAfterFinished;
  return { ...jobs.parse({ spec }), metadata: { ...metadata, annotations: { [annotations.run]: run } } };
}

/** What of the Job that runs is to be edited; undefined for nothing. */
export function editsOf(plan: Plan, found: Job): JsonObject | undefined {
  const wanted: JsonObject = { ...usualOf(plan), ...editable(plan) };
  const present: JsonObject = JSON.parse(JSON.stringify(found.spec ?? {}));
  const changed = edited.flatMap((field) => {
    const [is, was] = [wanted[field] ?? null, present[field] ?? null];
    return is === was ? [] : [[field, is] as const];
  });
  return changed.length > 0 ? Object.fromEntries(changed) : undefined;
}

/** As the API server has it when a Job does not say: what the app says no longer is so again. */
function usualOf({ app: { job } }: Plan): JsonObject {
  const backoffLimit = job?.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1;
  return { backoffLimit, parallelism: 1, suspend: false };
}

function editable({ app: { job }, isStopped }: Plan): JsonObject {
  const said = job ? jsonOf(AppJobSchema, job) : {};
  const kept = edited.flatMap((field) => (said[field] === undefined ? [] : [[field, said[field]] as const]));
  // As long as it may not run, its pods go; it is the same Job that goes on after that.
  return { ...Object.fromEntries(kept), ...(isStopped ? { suspend: true } : {}) };
}

/** What the app says of its Jobs, and their pods. */
function jobSpec(workload: Workload, plan: Plan): JsonObject {
  const { job, restartPolicy = "Never" } = plan.app;
  const template = templateFor(workload, plan);
  const said = job ? jsonOf(AppJobSchema, job) : {};
  return { ...said, template: { ...template, spec: { ...template.spec, restartPolicy } } };
}

export function cronJobFor(workload: Workload, plan: Plan): Draft<CronJob> {
  const said = plan.app.cronJob ? jsonOf(AppCronJobSchema, plan.app.cronJob) : {};
  const spec: JsonObject = {
    ...said,
    ...(plan.isStopped ? { suspend: true } : {}),
    jobTemplate: { metadata: { labels: labelsFor(workload) }, spec: jobSpec(workload, plan) },
  };
  return { ...cronJobs.parse({ spec }), metadata: metadataFor(workload) };
}

/** How a run of a Job has ended. It is remembered on the Workload when the Job is long gone. */
export interface FinishedRun {
  readonly run: string;
  readonly result: "Complete" | "Failed";
  readonly succeeded: number;
  readonly failed: number;
  /** RFC 3339; absent when Kubernetes did not say. */
  readonly startedAt?: string;
  readonly completedAt?: string;
  /** Why it failed, in Kubernetes' words. */
  readonly reason?: string;
  readonly message?: string;
}

/** Undefined while it has not ended. */
export function endOf({ metadata, spec: _spec, status = {} }: Job): FinishedRun | undefined {
  const end = status.conditions?.find(
    ({ type, status: is }) => is === "True" && (type === "Complete" || type === "Failed"),
  );
  if (!end) return undefined;
  const completedAt = status.completionTime ?? end.lastTransitionTime;
  return {
    run: metadata.annotations?.[annotations.run] ?? "",
    result: end.type === "Complete" ? "Complete" : "Failed",
    succeeded: status.succeeded ?? 0,
    failed: status.failed ?? 0,
    ...(status.startTime ? { startedAt: status.startTime } : {}),
    ...(completedAt ? { completedAt } : {}),
    ...(end.reason ? { reason: end.reason } : {}),
    ...(end.message ? { message: end.message.slice(0, 1024) } : {}),
  };
}

/** The run that has ended of what is asked for now, as it is remembered. */
export function finishedRun(workload: Workload, app: RemoteAppSpec): FinishedRun | undefined {
  const text = workload.metadata.annotations?.[annotations.finishedRun];
  const said = text === undefined ? undefined : parse(text);
  return said && said.run === runOf(app) ? said : undefined;
}

function parse(text: string): FinishedRun | undefined {
  try {
    const json: FinishedRun | null = JSON.parse(text);
    return isJsonObject(json) ? json : undefined;
  } catch {
    return undefined; // Somebody has written something else there: then nothing is remembered.
  }
}

/** In how many milliseconds a finished Job is to go with its pods; undefined for never. `now` is wall time. */
export function goesInMs(app: RemoteAppSpec, end: FinishedRun, now: number): number | undefined {
  const seconds = app.job?.ttlSecondsAfterFinished;
  const since = Date.parse(end.completedAt ?? "");
  return seconds === undefined || Number.isNaN(since) ? undefined : Math.max(0, since + seconds * 1000 - now);
}

function jsonOf<S extends Parameters<typeof toJson>[0]>(
  schema: S,
  message: Parameters<typeof toJson<S>>[1],
): JsonObject {
  const json = toJson(schema, message);
  return isJsonObject(json) ? json : {};
}
