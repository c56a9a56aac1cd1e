/** How a Deployment moves from its old ReplicaSets to the new one. Pure. */

export interface RolloutInput {
  replicas: number;
  strategy: string;
  maxSurge: number | string;
  maxUnavailable: number | string;
  /** The new ReplicaSet: how many pods it wants and how many are available. */
  next: { replicas: number; available: number };
  /** The old ones, oldest first; `pods` still counts those that are on their way out. */
  olds: readonly { name: string; replicas: number; available: number; pods: number }[];
}

export interface RolloutPlan {
  next: number;
  olds: ReadonlyMap<string, number>;
}

export function planRollout(input: RolloutInput): RolloutPlan {
  const { replicas, next, olds } = input;
  if (input.strategy === "Recreate") {
    const isClear = olds.every((old) => old.pods === 0);
    return { next: isClear ? replicas : next.replicas, olds: new Map(olds.map((old) => [old.name, 0])) };
  }
  const surge = resolve(input.maxSurge, replicas, Math.ceil);
  const resolved = resolve(input.maxUnavailable, replicas, Math.floor);
  const unavailable = surge === 0 && resolved === 0 ? 1 : resolved;
  const oldReplicas = olds.reduce((sum, old) => sum + old.replicas, 0);
  const room = replicas + surge - oldReplicas - next.replicas;
  const wanted = next.replicas > replicas ? replicas : Math.min(replicas, next.replicas + Math.max(0, room));
  return { next: wanted, olds: shrink(olds, replicas - unavailable, next.available) };
}

/** Old pods that do not work go first; the others as fast as new ones become available. */
function shrink(olds: RolloutInput["olds"], leastAvailable: number, nextAvailable: number): Map<string, number> {
  const plan = new Map(olds.map((old) => [old.name, Math.min(old.replicas, old.available)]));
  let spare =
    olds.reduce((sum, old) => sum + Math.min(old.replicas, old.available), 0) + nextAvailable - leastAvailable;
  for (const old of olds) {
    const kept = plan.get(old.name) ?? 0;
    const gone = Math.max(0, Math.min(kept, spare));
    plan.set(old.name, kept - gone);
    spare -= gone;
  }
  return plan;
}

function resolve(value: number | string, replicas: number, round: (n: number) => number): number {
  return typeof value === "number" ? value : round((Number.parseFloat(value) / 100) * replicas);
}
