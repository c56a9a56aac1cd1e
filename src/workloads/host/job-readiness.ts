/** How an app is that runs to an end, once or by the clock: a Job or a CronJob. Pure. */
import { create } from "@bufbuild/protobuf";
import { type AppJobStatus, AppJobStatusSchema } from "../../gen/fairlead/resources/v1alpha1/app_job_pb.ts";
import type { CronJob, Job } from "../../kube/resources.ts";
import { shorten } from "../../policy/shorten.ts";
import { mostMessageChars } from "./container-state.ts";
import type { Counts, FinishedRun, Judged, Judgement, ObservedJob, Seen } from "./observed.ts";

export function jobReadiness(o: ObservedJob, states: readonly Seen[]): Judged {
  if (o.controller?.kind === "CronJob") return ofCronJob(o, o.controller.object, states);
  const job = o.controller?.object;
  const finished = (job && finishedRun(job)) ?? o.finished;
  return {
    counts: countsOf(o, job ? [job] : []),
    judgement: finished ? ended(finished) : job ? ofJob(job, states) : notCreated,
    ...(finished || job ? { job: create(AppJobStatusSchema, finished ? wordsOf(finished) : progressOf(job)) } : {}),
  };
}

const notCreated: Judgement = { phase: "Pending", reason: "NotCreated", message: "The app is being created." };

function finishedRun({ status }: Job): FinishedRun | undefined {
  const over = status?.conditions?.find(
    ({ type, status: is }) => is === "True" && (type === "Complete" || type === "Failed"),
  );
  if (over?.type !== "Complete" && over?.type !== "Failed") return undefined;
  const completedAt = status?.completionTime ?? over.lastTransitionTime;
  return {
    result: over.type,
    startedAt: status?.startTime,
    completedAt,
    succeeded: status?.succeeded ?? 0,
    failed: status?.failed ?? 0,
    reason: over.reason,
    message: over.message,
  };
}

function ended({ result, succeeded, failed, reason, message }: FinishedRun): Judgement {
  const failures = failed > 0 ? `, and ${pods(failed)} failed` : "";
  if (result === "Complete") {
    return {
      phase: "Ready",
      reason: "Completed",
      message: `It has completed: ${pods(succeeded)} ended well${failures}.`,
    };
  }
  const why = shorten(message || "Kubernetes does not say why.", mostMessageChars);
  return {
    phase: "Degraded",
    reason: reason || "JobFailed",
    message: `It has failed: ${why}${failed > 0 ? `; failed pods: ${failed}` : ""}`,
  };
}

function ofJob(job: Job, states: readonly Seen[]): Judgement {
  const { spec, status } = job;
  if (spec?.suspend) return { phase: "Ready", reason: "Suspended", message: "The Job is suspended." };
  const { active = 0, succeeded = 0, failed = 0 } = status ?? {};
  const of = spec?.completions === undefined ? "" : ` of ${spec.completions}`;
  const failures = failed > 0 ? ` Failed so far: ${failed}.` : "";
  const so = `${succeeded}${of} completed, ${pods(active)} at work.${failures}`;
  const worst = stuck(states);
  if (worst)
    return {
      phase: "Degraded",
      reason: worst.pod.reason ?? "PodFailed",
      message: `${so} Pod ${worst.pod.name}: ${worst.pod.message}`,
    };
  return { phase: "Progressing", reason: "Running", message: so };
}

/** A pod that failed is what a Job has others for; one that cannot begin is in nobody's way but its own. */
function stuck(states: readonly Seen[]): Seen | undefined {
  return states.find(({ trouble, isCurrent, isOver }) => trouble && isCurrent && !isOver);
}

function ofCronJob(o: ObservedJob, cronJob: CronJob, states: readonly Seen[]): Judged {
  const jobs = (o.jobs ?? []).toSorted(byAge);
  const running = jobs.filter((job) => finishedRun(job) === undefined);
  const latest = jobs[0];
  const { lastScheduleTime, lastSuccessfulTime } = cronJob.status ?? {};
  const job = create(AppJobStatusSchema, {
    ...(latest ? progressOf(latest) : {}),
    active: running.reduce((sum, { status }) => sum + (status?.active ?? 0), 0),
    ...(lastScheduleTime ? { lastScheduleAt: lastScheduleTime } : {}),
    ...(lastSuccessfulTime ? { lastSuccessAt: lastSuccessfulTime } : {}),
  });
  return { counts: countsOf(o, running), judgement: judgeCronJob(cronJob, latest, states), job };
}

function judgeCronJob({ spec, status }: CronJob, latest: Job | undefined, states: readonly Seen[]): Judgement {
  if (spec?.suspend)
    return { phase: "Ready", reason: "Suspended", message: "No Job begins while the CronJob is suspended." };
  const when = latest?.status?.startTime ?? latest?.metadata.creationTimestamp ?? "";
  const finished = latest && finishedRun(latest);
  if (latest && !finished) {
    const worst = stuck(states);
    const so = `A Job of it runs, since ${when}.`;
    if (worst)
      return {
        phase: "Degraded",
        reason: worst.pod.reason ?? "PodFailed",
        message: `${so} Pod ${worst.pod.name}: ${worst.pod.message}`,
      };
    return { phase: "Ready", reason: "Running", message: so };
  }
  if (finished?.result === "Failed") {
    const { reason, message } = ended(finished);
    return { phase: "Degraded", reason, message: `Its latest Job, of ${when}: ${message}` };
  }
  const last = status?.lastScheduleTime;
  const message = finished
    ? `Its latest Job, of ${when}, has completed.`
    : last
      ? `Its latest Job began at ${last}.`
      : "No Job of it has begun yet.";
  return { phase: "Ready", reason: "Scheduled", message };
}

/** The latest first. */
function byAge(a: Job, b: Job): number {
  const text = ({ metadata }: Job): string => `${metadata.creationTimestamp ?? ""} ${metadata.name ?? ""}`;
  return text(a) < text(b) ? 1 : -1;
}

function countsOf({ desired }: ObservedJob, jobs: readonly Job[]): Counts {
  const sum = (part: "active" | "ready"): number => jobs.reduce((all, { status }) => all + (status?.[part] ?? 0), 0);
  const [active, ready] = [sum("active"), sum("ready")];
  return { desired, replicas: active, readyReplicas: ready, updatedReplicas: active, availableReplicas: ready };
}

function progressOf(job: Job | undefined) {
  const { active = 0, succeeded = 0, failed = 0, startTime, completionTime } = job?.status ?? {};
  return {
    active,
    succeeded,
    failed,
    ...(startTime ? { startedAt: startTime } : {}),
    ...(completionTime ? { completedAt: completionTime } : {}),
  };
}

function wordsOf({ succeeded, failed, startedAt, completedAt }: FinishedRun): Partial<AppJobStatus> {
  return { active: 0, succeeded, failed, ...(startedAt ? { startedAt } : {}), ...(completedAt ? { completedAt } : {}) };
}

function pods(count: number): string {
  return count === 1 ? "1 pod" : `${count} pods`;
}
