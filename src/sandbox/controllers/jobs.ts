/**
 * Jobs: pods that run to an end, as often as it takes and no oftener than the limit says, by number or by index, with a
 * deadline, and gone after their time. Success and failure policies, and limits for each index, are stored and have no effect.
 */
import { timestamp } from "../object.ts";
import { type Resource, storeKey } from "../resource.ts";
import {
  builtin,
  type Controller,
  type ControllerDeps,
  controllerKey,
  splitKey,
  startController,
  withOwned,
} from "./controller.ts";
import {
  deadlineMs,
  indexAnnotation,
  isActive,
  isOver,
  isUncounted,
  type JobProgress,
  missingPods,
  progressOf,
  trackingFinalizer,
} from "./job-progress.ts";
import {
  type Condition,
  controllerReference,
  isJob,
  isPod,
  isPodReady,
  type Job,
  type JobStatus,
  type Pod,
  withCondition,
} from "./shapes.ts";

const component = "job-controller";
const manager = { manager: component };
/** The longest pause before another try, in times of the first. */
const longestBackoff = 36;

export function startJobController(deps: ControllerDeps, o: { backoffMs: number }): Controller {
  const jobs = builtin(deps.registry, "batch", "jobs");
  const pods = builtin(deps.registry, "", "pods");
  const { store } = deps.registry;
  const owned = (job: Job): Pod[] => store.controlledBy(storeKey(pods), job.metadata.uid).filter(isPod);

  function write(job: Job, status: JobStatus): void {
    const { namespace, name } = job.metadata;
    deps.registry.update(jobs, namespace, name, (live) => ({ ...live, status }), { ...manager, subresource: "status" });
  }

  /** One run: counts what has ended, then starts or stops pods. Answers when to look again. */
  function run(job: Job): void | { againMs: number } {
    const now = deps.clock.now();
    const { status = {}, spec } = job;
    const found = owned(job);
    const progress = progressOf(job, found, now);
    const counted = found.filter(isUncounted);
    const failures = counted.filter((pod) => pod.status?.phase !== "Succeeded").length;
    let conditions = status.conditions ?? [];
    if (progress.end) conditions = ended(conditions, progress.end, timestamp(now));
    else if (spec.suspend) conditions = suspended(conditions, true, timestamp(now));
    else if (conditions.some(({ type, status: is }) => type === "Suspended" && is === "True"))
      conditions = suspended(conditions, false, timestamp(now));
    if (progress.end || spec.suspend) {
      for (const pod of found.filter(isActive)) {
        // What a suspended Job stops has not failed.
        if (spec.suspend) release(deps, pods, pod);
        remove(deps, pods, pod);
      }
    }
    const waitMs = backoffLeft(found, progress, now);
    if (!progress.end && !spec.suspend && waitMs <= 0)
      for (const index of missingPods(job, found, progress)) createPod(deps, pods, job, index);
    const startTime = status.startTime ?? (spec.suspend ? undefined : timestamp(now));
    const isSuspended = spec.suspend && !progress.end;
    write(job, {
      ...statusOf(owned(job), progress),
      ...(conditions.length > 0 ? { conditions } : {}),
      ...(startTime && !isSuspended ? { startTime } : {}),
      ...(progress.end?.type === "Complete" ? { completionTime: timestamp(now) } : {}),
    });
    for (const pod of counted) release(deps, pods, pod);
    if (progress.end) {
      const isGood = progress.end.type === "Complete";
      deps.events.write(
        job,
        isGood ? "Normal" : "Warning",
        isGood ? "Completed" : progress.end.reason,
        isGood ? "Job completed" : progress.end.message,
        component,
      );
      return;
    }
    if (failures > 0 && missingPods(job, owned(job), progress).length > 0) return { againMs: o.backoffMs };
    const next = [waitMs > 0 ? waitMs : undefined, deadlineMs(job, now)].filter((ms) => ms !== undefined);
    return next.length > 0 ? { againMs: Math.max(1, Math.min(...next)) } : undefined;
  }

  /** How long to wait before the next try after a failure: doubling with each. */
  function backoffLeft(found: readonly Pod[], { failed }: JobProgress, nowMs: number): number {
    if (failed === 0) return 0;
    const ends = found.filter((pod) => pod.status?.phase === "Failed").map(endOf);
    if (ends.length === 0) return 0;
    const pauseMs = o.backoffMs * Math.min(longestBackoff, 2 ** (failed - 1));
    return Math.max(...ends) + pauseMs - nowMs;
  }

  function finish(job: Job, condition: Condition): void | { againMs: number } {
    const found = owned(job);
    for (const pod of found.filter(isActive)) remove(deps, pods, pod);
    for (const pod of found.filter(isUncounted)) release(deps, pods, pod);
    const { active: _active, ...status } = job.status ?? {};
    write(job, { ...status, ...activeOf(owned(job)) });
    if (job.spec.ttlSecondsAfterFinished === undefined) return;
    const since = Date.parse(job.status?.completionTime ?? condition.lastTransitionTime ?? "");
    const leftMs = since + job.spec.ttlSecondsAfterFinished * 1000 - deps.clock.now();
    if (leftMs > 0) return { againMs: leftMs };
    const { namespace, name, uid } = job.metadata;
    deps.registry.delete(jobs, namespace, name, { uid, propagation: "Foreground" });
  }

  return startController(deps, {
    name: "jobs",
    watched: withOwned("Job", jobs, pods),
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const job = store.get(storeKey(jobs), namespace, name);
      if (!job || !isJob(job) || job.metadata.deletionTimestamp) {
        // Nobody counts these pods any more.
        const left = store.list(storeKey(pods), namespace).filter(isPod);
        for (const pod of left) if ([...controllerKey("Job")(pod)].includes(key)) release(deps, pods, pod);
        return;
      }
      const over = isOver(job.status);
      return over ? finish(job, over) : run(job);
    },
  });
}

function createPod(deps: ControllerDeps, resource: Resource, job: Job, index: number | undefined): void {
  const { namespace, name } = job.metadata;
  const { template } = job.spec;
  const byIndex = index === undefined ? {} : { [indexAnnotation]: String(index) };
  const pod = deps.registry.create(
    resource,
    namespace,
    {
      metadata: {
        labels: { ...template.metadata?.labels, ...byIndex },
        annotations: { ...template.metadata?.annotations, ...byIndex },
        generateName: index === undefined ? `${name}-` : `${name}-${index}-`,
        finalizers: [trackingFinalizer],
        ownerReferences: [controllerReference(job)],
      },
      spec: { ...template.spec, ...(index === undefined ? {} : indexed(template.spec, `${name}-${index}`)) },
    },
    manager,
  );
  deps.events.write(job, "Normal", "SuccessfulCreate", `Created pod: ${pod.metadata.name}`, component);
}

/** A pod of an indexed Job has a host name of its own and knows its index. */
function indexed(spec: Record<string, unknown>, hostname: string): Record<string, unknown> {
  const env = {
    name: "JOB_COMPLETION_INDEX",
    valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${indexAnnotation}']` } },
  };
  const withIndex = (containers: unknown): unknown =>
    Array.isArray(containers) ? containers.map((c) => ({ ...c, env: [...(c.env ?? []), env] })) : containers;
  const { containers, initContainers } = spec;
  return {
    hostname,
    containers: withIndex(containers),
    ...(initContainers ? { initContainers: withIndex(initContainers) } : {}),
  };
}

function remove(deps: ControllerDeps, resource: Resource, { metadata }: Pod): void {
  deps.registry.delete(resource, metadata.namespace, metadata.name, { uid: metadata.uid });
}

function release(deps: ControllerDeps, resource: Resource, { metadata }: Pod): void {
  if (!metadata.finalizers?.includes(trackingFinalizer)) return;
  const kept = metadata.finalizers.filter((finalizer) => finalizer !== trackingFinalizer);
  deps.registry.update(
    resource,
    metadata.namespace,
    metadata.name,
    (live) => ({ ...live, metadata: { ...live.metadata, finalizers: kept } }),
    manager,
  );
}

function statusOf(pods: readonly Pod[], { succeeded, failed, completedIndexes }: JobProgress): JobStatus {
  return {
    ...activeOf(pods),
    ...(succeeded > 0 ? { succeeded } : {}),
    ...(failed > 0 ? { failed } : {}),
    ...(completedIndexes ? { completedIndexes } : {}),
  };
}

function activeOf(pods: readonly Pod[]): Record<string, unknown> {
  const active = pods.filter(isActive);
  const terminating = pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined).length;
  return {
    ...(active.length > 0 ? { active: active.length } : {}),
    ready: active.filter(isPodReady).length,
    terminating,
    uncountedTerminatedPods: {},
  };
}

function ended(
  conditions: Condition[],
  { type, reason, message }: NonNullable<JobProgress["end"]>,
  now: string,
): Condition[] {
  const first = type === "Complete" ? "SuccessCriteriaMet" : "FailureTarget";
  const say = { status: "True", reason, message };
  return withCondition(withCondition(conditions, { type: first, ...say }, now), { type, ...say }, now);
}

function suspended(conditions: Condition[], is: boolean, now: string): Condition[] {
  const condition = is
    ? { type: "Suspended", status: "True", reason: "JobSuspended", message: "Job suspended" }
    : { type: "Suspended", status: "False", reason: "JobResumed", message: "Job resumed" };
  return withCondition(conditions, condition, now);
}

function endOf({ status, metadata }: Pod): number {
  const ends = (status?.containerStatuses ?? []).map(({ state }) => Date.parse(state.terminated?.finishedAt ?? ""));
  const known = ends.filter((at) => !Number.isNaN(at));
  return known.length > 0 ? Math.max(...known) : Date.parse(metadata.creationTimestamp);
}
