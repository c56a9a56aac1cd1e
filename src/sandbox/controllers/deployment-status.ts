import { timestamp } from "../object.ts";
import { type Condition, type Deployment, type ReplicaSet, withCondition } from "./shapes.ts";

/** The status of a Deployment, and when its deadline must be looked at again (milliseconds). Pure. */
export function deploymentStatus(
  deployment: Deployment,
  next: ReplicaSet,
  sets: readonly ReplicaSet[],
  nowMs: number,
): { status: Record<string, unknown>; againMs?: number } {
  const { replicas: wanted, progressDeadlineSeconds = 600 } = deployment.spec;
  const sum = (field: "replicas" | "readyReplicas" | "availableReplicas"): number =>
    sets.reduce((total, set) => total + (set.status?.[field] ?? 0), 0);
  const now = timestamp(nowMs);
  const replicas = sum("replicas");
  const available = sum("availableReplicas");
  const updated = next.status?.replicas ?? 0;
  const isComplete = updated === wanted && replicas === wanted && available === wanted;
  const before = deployment.status ?? {};
  const counts = {
    replicas,
    updatedReplicas: updated,
    readyReplicas: sum("readyReplicas"),
    availableReplicas: available,
  };
  const didMove =
    Object.entries(counts).some(([field, count]) => (before[field] ?? 0) !== count) ||
    before.observedGeneration !== deployment.metadata.generation;
  const progressing = progressOf(before.conditions ?? [], {
    name: next.metadata.name,
    isComplete,
    didMove,
    deadlineMs: progressDeadlineSeconds * 1000,
    nowMs,
  });
  const isAvailable = available >= wanted - maxUnavailable(deployment);
  let conditions = withCondition(
    before.conditions ?? [],
    {
      type: "Available",
      status: isAvailable ? "True" : "False",
      lastUpdateTime: now,
      reason: isAvailable ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
      message: isAvailable ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
    },
    now,
  );
  conditions = withCondition(conditions, progressing.condition, now).map((condition) =>
    keepTime(condition, before.conditions ?? []),
  );
  const status = {
    observedGeneration: deployment.metadata.generation,
    ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
    ...(wanted > available ? { unavailableReplicas: Math.max(wanted, replicas) - available } : {}),
    conditions,
  };
  return progressing.againMs === undefined ? { status } : { status, againMs: progressing.againMs };
}

function progressOf(
  conditions: readonly Condition[],
  o: { name: string; isComplete: boolean; didMove: boolean; deadlineMs: number; nowMs: number },
): { condition: Omit<Condition, "lastTransitionTime">; againMs?: number } {
  const old = conditions.find(({ type }) => type === "Progressing");
  const now = timestamp(o.nowMs);
  const say = (
    status: string,
    reason: string,
    message: string,
    lastUpdateTime = now,
  ): Omit<Condition, "lastTransitionTime"> => ({ type: "Progressing", status, lastUpdateTime, reason, message });
  if (o.isComplete)
    return { condition: say("True", "NewReplicaSetAvailable", `ReplicaSet "${o.name}" has successfully progressed.`) };
  const since = old?.lastUpdateTime && !o.didMove ? old.lastUpdateTime : now;
  const leftMs = Date.parse(since) + o.deadlineMs - o.nowMs;
  // Only a rollout has a deadline: a Deployment that was complete and lost a pod is not late.
  if (old?.reason === "NewReplicaSetAvailable" && !o.didMove) return { condition: old };
  if (leftMs <= 0)
    return {
      condition: say("False", "ProgressDeadlineExceeded", `ReplicaSet "${o.name}" has timed out progressing.`, since),
    };
  return {
    condition: say("True", "ReplicaSetUpdated", `ReplicaSet "${o.name}" is progressing.`, since),
    againMs: leftMs,
  };
}

/** A condition that says what it said keeps its time, so that an idle Deployment is not written again and again. */
function keepTime(condition: Condition, before: readonly Condition[]): Condition {
  const old = before.find(({ type }) => type === condition.type);
  const isSame =
    old && old.status === condition.status && old.reason === condition.reason && old.message === condition.message;
  return isSame && condition.reason !== "ReplicaSetUpdated" ? old : condition;
}

function maxUnavailable({ spec }: Deployment): number {
  if (spec.strategy.type !== "RollingUpdate") return 0;
  const value = spec.strategy.rollingUpdate?.maxUnavailable ?? "25%";
  return typeof value === "number" ? value : Math.floor((Number.parseFloat(value) / 100) * spec.replicas);
}
