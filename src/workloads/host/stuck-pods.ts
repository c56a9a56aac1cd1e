/**
 * The pod that keeps a StatefulSet from what it is to become. Kubernetes waits for a pod that is not ready before it touches the
 * next, also for one of an earlier template that never will be, so that a broken rollout that was gone back from stays broken until
 * somebody deletes that pod. Its successor has its name and its claims. Pure.
 */
import type { Pod, StatefulSet } from "../../kube/resources.ts";
import { readTime } from "../../kube/time.ts";
import { podState } from "./pod-state.ts";

/** Which pods Kubernetes made by which of a StatefulSet's templates. */
const revisionLabel = "controller-revision-hash";

export interface Stuck {
  /** To be deleted. */
  readonly pod?: Pod;
  /** One may be by the passing of time alone, in so many milliseconds. */
  readonly againMs?: number;
}

export interface StuckLook {
  readonly set: StatefulSet;
  readonly pods: readonly Pod[];
  /** How long a pod of an earlier template may be on its way before it counts as one that never arrives, in seconds. */
  readonly progressDeadlineSeconds: number;
  /** Wall time in milliseconds. */
  readonly now: number;
}

/**
 * One at a time, that for which Kubernetes waits first: of an earlier template, not ready, and in trouble or not ready for too long.
 * Where the app changes its pods together, or by hand, none is ever waited for; those below a partition are to stay as they were.
 */
export function stuckPod({ set, pods, progressDeadlineSeconds, now }: StuckLook): Stuck {
  const { metadata, spec, status } = set;
  const { type = "RollingUpdate", rollingUpdate } = spec?.updateStrategy ?? {};
  if (spec?.podManagementPolicy === "Parallel" || type !== "RollingUpdate") return {};
  // Before that a successor might be made by the earlier template again.
  if (!status?.updateRevision || (status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return {};
  const own = pods.filter((pod) => pod.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid));
  if (own.some((pod) => pod.metadata.deletionTimestamp)) return {};
  const first = (spec?.ordinals?.start ?? 0) + (rollingUpdate?.partition ?? 0);
  const waiting = own
    .filter((pod) => ordinalOf(set, pod) >= first && !isReady(pod))
    .filter((pod) => pod.metadata.labels?.[revisionLabel] !== status.updateRevision)
    .sort((a, b) => ordinalOf(set, a) - ordinalOf(set, b));
  const leftMs = waiting.map((pod) => mayTakeMs(pod, progressDeadlineSeconds, now));
  const pod = waiting.find((_pod, index) => leftMs[index] === 0);
  if (pod) return { pod };
  return leftMs.length > 0 ? { againMs: Math.min(...leftMs) } : {};
}

/** None when it is known to be in trouble. */
function mayTakeMs(pod: Pod, seconds: number, now: number): number {
  if (podState(pod, () => undefined, now).trouble) return 0;
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready");
  const since = readTime(ready?.lastTransitionTime ?? pod.metadata.creationTimestamp ?? "") ?? now;
  return Math.max(0, since + seconds * 1_000 - now);
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false;
}

function ordinalOf({ metadata }: StatefulSet, pod: Pod): number {
  return Number(pod.metadata.name?.slice((metadata.name ?? "").length + 1));
}
