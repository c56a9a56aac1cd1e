import type { ContainerStatus, Pod } from "../controllers/shapes.ts";
import { type Condition, withCondition } from "../controllers/shapes.ts";

/** The status of a pod whose containers are as given. Pure. */
export function podStatus(pod: Pod, statuses: readonly ContainerStatus[], now: string): Record<string, unknown> {
  const before: Record<string, unknown> = pod.status ?? {};
  const phase = phaseOf(pod, statuses);
  const ready = statuses.length > 0 && statuses.every((status) => status.ready);
  const unready = statuses.filter((status) => !status.ready).map((status) => status.name);
  const isOver = phase === "Succeeded" || phase === "Failed";
  const why = isOver
    ? { reason: phase === "Succeeded" ? "PodCompleted" : "PodFailed" }
    : { reason: "ContainersNotReady", message: `containers with unready status: [${unready.join(" ")}]` };
  const ok = { status: "True" };
  let conditions: Condition[] = pod.status?.conditions ?? [];
  const say = (type: string, value: { status: string; reason?: string; message?: string }): void => {
    conditions = withCondition(conditions, { type, ...value }, now);
  };
  say("PodReadyToStartContainers", ok);
  say("Initialized", ok);
  say("Ready", ready ? ok : { status: "False", ...why });
  say("ContainersReady", ready ? ok : { status: "False", ...why });
  say("PodScheduled", ok);
  return {
    ...before,
    phase,
    conditions,
    hostIP: "127.0.0.1",
    podIP: "127.0.0.1",
    podIPs: [{ ip: "127.0.0.1" }],
    startTime: before.startTime ?? now,
    containerStatuses: statuses,
  };
}

function phaseOf(pod: Pod, statuses: readonly ContainerStatus[]): string {
  const ended = statuses.map((status) => status.state.terminated?.exitCode);
  const restarts = pod.spec.restartPolicy ?? "Always";
  if (restarts !== "Always" && ended.length > 0 && ended.every((code) => code !== undefined)) {
    const failed = ended.some((code) => code !== 0);
    if (!failed) return "Succeeded";
    if (restarts === "Never") return "Failed";
  }
  const hasRun = statuses.some((status) => status.containerID !== undefined);
  return hasRun ? "Running" : "Pending";
}
