/** How far the pods of an earlier spec have given way to those of the present one. Pure. */
import { create } from "@bufbuild/protobuf";
import { type AppRollout, AppRolloutSchema } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { Deployment, StatefulSet } from "../../kube/resources.ts";
import { readTime, timeText } from "../../kube/time.ts";
import type { Counts, ObservedService, Seen } from "./observed.ts";
import { conditionOf, wantedUpdates } from "./serving.ts";

export interface RolloutState {
  /** Undefined when all is as it should be, and trouble of a pod is no trouble of a rollout. */
  readonly rollout?: AppRollout;
  /** Nothing moved for too long. */
  readonly isLate: boolean;
  /** When its deadline is, in milliseconds from now. */
  readonly againMs?: number;
}

export function rolloutOf(
  o: ObservedService,
  controller: NonNullable<ObservedService["controller"]>,
  states: readonly Seen[],
  counts: Counts,
): RolloutState {
  const isPaused = controller.kind === "Deployment" && controller.object.spec?.paused === true;
  const said = controller.kind === "Deployment" ? saidBy(controller.object) : undefined;
  if (!isUnderWay(o, controller, counts)) return { isLate: false };
  const { updatedReplicas: updated, replicas } = counts;
  const moved = {
    updated,
    updatedReady: states.filter(({ isCurrent, pod }) => isCurrent && pod.ready).length,
    old: Math.max(0, replicas - updated),
    total: o.desired,
    paused: isPaused,
  };
  const deadlineAt = isPaused ? undefined : (said?.deadlineAt ?? ownDeadline(o, moved));
  // Kubernetes tells a Deployment itself when it is late; for a StatefulSet nobody does but we.
  const isLate = said ? said.isLate : deadlineAt !== undefined && deadlineAt <= o.now;
  const isOpen = deadlineAt !== undefined && deadlineAt > o.now && !said;
  return {
    rollout: create(AppRolloutSchema, {
      ...moved,
      startedAt: o.rollout?.startedAt ?? timeText(o.now),
      ...(deadlineAt === undefined ? {} : { deadlineAt: timeText(deadlineAt) }),
    }),
    isLate: isLate && !isPaused,
    ...(isOpen ? { againMs: deadlineAt - o.now } : {}),
  };
}

function isUnderWay(
  { desired, rollout }: ObservedService,
  controller: NonNullable<ObservedService["controller"]>,
  { updatedReplicas, readyReplicas, replicas }: Counts,
): boolean {
  const { metadata, status } = controller.object;
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) return true;
  if (updatedReplicas < wantedUpdates(controller, desired) || replicas > desired) return true;
  if (readyReplicas >= desired) return false;
  return controller.kind === "Deployment"
    ? !isComplete(controller.object)
    : isFirst(controller.object) || rollout !== undefined;
}

/** Once all pods were there and available; what becomes of them later is no rollout. */
function isComplete(deployment: Deployment): boolean {
  return conditionOf(deployment, "Progressing")?.reason === "NewReplicaSetAvailable";
}

/** None of its pods was ready before, or those of the present spec were not. */
function isFirst({ status }: StatefulSet): boolean {
  return status?.updateRevision !== status?.currentRevision;
}

/** Kubernetes itself says until when a Deployment has to move. */
function saidBy(deployment: Deployment): { deadlineAt: number; isLate: boolean } | undefined {
  const progress = conditionOf(deployment, "Progressing");
  const since = readTime(progress?.lastUpdateTime ?? "");
  const seconds = deployment.spec?.progressDeadlineSeconds;
  const isLate = progress?.status === "False" && progress.reason === "ProgressDeadlineExceeded";
  if (isLate) return { deadlineAt: since ?? 0, isLate };
  if (since === undefined || seconds === undefined) return undefined;
  return { deadlineAt: since + seconds * 1_000, isLate };
}

type Moved = Pick<AppRollout, "updated" | "updatedReady" | "old" | "total">;

/** From the last time on that anything moved. */
function ownDeadline({ rollout, now, progressDeadlineSeconds }: ObservedService, moved: Moved): number {
  const known = readTime(rollout?.deadlineAt ?? "");
  const isSame =
    rollout !== undefined &&
    rollout.updated === moved.updated &&
    rollout.updatedReady === moved.updatedReady &&
    rollout.old === moved.old &&
    rollout.total === moved.total;
  return isSame && known !== undefined ? known : now + progressDeadlineSeconds * 1_000;
}
