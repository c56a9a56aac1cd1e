/** Whether a pod fits on the sandbox's one node, which exists only in this arithmetic. Pure. */
import { isPodGone, type Pod } from "../controllers/shapes.ts";
import { parseQuantity } from "./quantity.ts";

export interface Capacity {
  /** Cores. */
  cpu: number;
  /** Bytes. */
  memory: number;
  pods: number;
}

export const defaultCapacity: Capacity = { cpu: 8, memory: 16 * 2 ** 30, pods: 10_000 };

/** Undefined when the pod fits beside those that run already, or the scheduler's words for why it does not. */
export function whyUnschedulable(pod: Pod, scheduled: readonly Pod[], capacity: Capacity): string | undefined {
  const isModest = requests(pod, "cpu") === 0 && requests(pod, "memory") === 0;
  if (isModest && scheduled.length < capacity.pods) return undefined;
  const others = scheduled.filter((other) => other.metadata.uid !== pod.metadata.uid && !isPodGone(other));
  const short: string[] = [];
  if (others.length + 1 > capacity.pods) short.push("Too many pods");
  for (const unit of ["cpu", "memory"] as const) {
    const asked = requests(pod, unit);
    const used = others.reduce((sum, other) => sum + requests(other, unit), 0);
    if (asked > 0 && used + asked > capacity[unit]) short.push(`Insufficient ${unit}`);
  }
  if (short.length === 0) return undefined;
  const why = short.map((reason) => (reason.startsWith("Too") ? reason : `1 ${reason}`)).join(", ");
  return `0/1 nodes are available: ${why}. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.`;
}

/** What a pod asks for: a limit without a request is one. */
function requests(pod: Pod, unit: "cpu" | "memory"): number {
  return pod.spec.containers.reduce((sum, { resources }) => {
    const asked = resources?.requests?.[unit] ?? resources?.limits?.[unit];
    return sum + (asked === undefined ? 0 : parseQuantity(asked));
  }, 0);
}
