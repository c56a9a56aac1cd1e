/** How far a Job is, and what is to be done about it. Pure. */
import type { Condition, Job, JobStatus, Pod } from "./shapes.ts";

/** What a pod that has ended leaves behind until the Job has counted it. */
export const trackingFinalizer = "batch.kubernetes.io/job-tracking";
export const indexAnnotation = "batch.kubernetes.io/job-completion-index";

export interface JobProgress {
  succeeded: number;
  failed: number;
  completedIndexes: string;
  /** Set when the Job is over. */
  end?: { type: "Complete" | "Failed"; reason: string; message: string };
}

/** Counts the pods that have ended since the last time, and says whether that is the end. */
export function progressOf(job: Job, pods: readonly Pod[], nowMs: number): JobProgress {
  const { spec, status = {} } = job;
  const uncounted = pods.filter(isUncounted);
  const done = uncounted.filter((pod) => pod.status?.phase === "Succeeded");
  const isIndexed = spec.completionMode === "Indexed";
  const indexes = new Set([...parseIndexes(status.completedIndexes), ...(isIndexed ? done.map(indexOf) : [])]);
  const succeeded = isIndexed ? indexes.size : (status.succeeded ?? 0) + done.length;
  const failed = (status.failed ?? 0) + uncounted.length - done.length;
  const progress = { succeeded, failed, completedIndexes: formatIndexes(indexes) };
  const end = endOf(job, pods, progress, nowMs);
  return end ? { ...progress, end } : progress;
}

/** When the Job's deadline must be looked at, in milliseconds from now; undefined without one. */
export function deadlineMs({ spec, status }: Job, nowMs: number): number | undefined {
  if (spec.activeDeadlineSeconds === undefined || !status?.startTime) return undefined;
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - nowMs;
}

function endOf(job: Job, pods: readonly Pod[], { succeeded, failed }: JobProgress, nowMs: number): JobProgress["end"] {
  const { spec } = job;
  if (failed > spec.backoffLimit || restartsOf(pods) > Math.max(0, spec.backoffLimit - failed)) {
    return { type: "Failed", reason: "BackoffLimitExceeded", message: "Job has reached the specified backoff limit" };
  }
  const leftMs = deadlineMs(job, nowMs);
  if (leftMs !== undefined && leftMs <= 0) {
    return { type: "Failed", reason: "DeadlineExceeded", message: "Job was active longer than specified deadline" };
  }
  const active = pods.filter(isActive).length;
  const isComplete = spec.completions === undefined ? succeeded > 0 && active === 0 : succeeded >= spec.completions;
  return isComplete
    ? { type: "Complete", reason: "CompletionsReached", message: "Reached expected number of succeeded pods" }
    : undefined;
}

/** Which pods to make: so many, each with its index where the Job counts by index. */
export function missingPods(
  job: Job,
  pods: readonly Pod[],
  { succeeded, completedIndexes }: JobProgress,
): (number | undefined)[] {
  const { spec } = job;
  const active = pods.filter(isActive);
  const left =
    spec.completions === undefined ? (succeeded > 0 ? active.length : spec.parallelism) : spec.completions - succeeded;
  const count = Math.max(0, Math.min(spec.parallelism, left) - active.length);
  if (spec.completionMode !== "Indexed") return Array.from({ length: count }, () => undefined);
  const taken = new Set([...parseIndexes(completedIndexes), ...active.map(indexOf)]);
  const free = Array.from({ length: spec.completions ?? 0 }, (_, i) => i).filter((i) => !taken.has(i));
  return free.slice(0, count);
}

export function isActive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return pod.metadata.deletionTimestamp === undefined && phase !== "Succeeded" && phase !== "Failed";
}

/** Whether a pod has ended, or is about to without having succeeded, and the Job has not counted it yet. */
export function isUncounted(pod: Pod): boolean {
  return !isActive(pod) && (pod.metadata.finalizers ?? []).includes(trackingFinalizer);
}

export function isOver(status: JobStatus | undefined): Condition | undefined {
  return status?.conditions?.find(
    ({ type, status: is }) => (type === "Complete" || type === "Failed") && is === "True",
  );
}

/** Pods that are started again in place count as well: once for each time. */
function restartsOf(pods: readonly Pod[]): number {
  return pods
    .filter((pod) => isActive(pod) && pod.spec.restartPolicy === "OnFailure")
    .flatMap(({ status }) => [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])])
    .reduce((sum, { restartCount }) => sum + restartCount, 0);
}

function indexOf(pod: Pod): number {
  return Number(pod.metadata.annotations?.[indexAnnotation]);
}

/** Reads `0,2-4`. */
function parseIndexes(text = ""): number[] {
  return text
    .split(",")
    .filter(Boolean)
    .flatMap((part) => {
      const [from = 0, to = from] = part.split("-").map(Number);
      return Array.from({ length: to - from + 1 }, (_, i) => from + i);
    });
}

function formatIndexes(indexes: ReadonlySet<number>): string {
  const runs: [number, number][] = [];
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else runs.push([index, index]);
  }
  return runs
    .map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from},${to}` : `${from}-${to}`))
    .join(",");
}
