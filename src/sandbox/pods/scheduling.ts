/** Whether a pod fits on the sandbox's one node. Pure. */
import { type Container, isPodGone, type Pod } from "../controllers/shapes.ts";
import { hasLabels, matchSelector } from "../selectors.ts";
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
export function whyUnschedulable(
  pod: Pod,
  scheduled: readonly Pod[],
  capacity: Capacity,
  nodeLabels: Readonly<Record<string, string>>,
): string | undefined {
  if (!selectsNode(pod, nodeLabels)) {
    return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
  }
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

function selectsNode({ spec }: Pod, labels: Readonly<Record<string, string>>): boolean {
  if (!hasLabels(spec.nodeSelector ?? {})(labels)) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return true;
  return required.nodeSelectorTerms.some(({ matchExpressions = [] }) =>
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator === "Gt" || operator === "Lt") {
        const [value, bound] = [Number(labels[key]), Number(values[0])];
        return operator === "Gt" ? value > bound : value < bound;
      }
      return matchSelector({ matchExpressions: [{ key, operator, values }] })(labels);
    }),
  );
}

/**
 * What a pod asks for: its containers and sidecars together, or its greediest init container when that asks for more
 * beside the sidecars before it. A limit without a request is one.
 */
function requests({ spec }: Pod, unit: "cpu" | "memory"): number {
  const asked = ({ resources }: Container): number => {
    const quantity = resources?.requests?.[unit] ?? resources?.limits?.[unit];
    return quantity === undefined ? 0 : parseQuantity(quantity);
  };
  let sidecars = 0;
  let most = 0;
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === "Always") sidecars += asked(container);
    most = Math.max(most, container.restartPolicy === "Always" ? sidecars : sidecars + asked(container));
  }
  return Math.max(most, sidecars + spec.containers.reduce((sum, container) => sum + asked(container), 0));
}
