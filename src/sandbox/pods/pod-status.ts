import type { ContainerStatus, Pod } from "../controllers/shapes.ts";
import { type Condition, withCondition } from "../controllers/shapes.ts";
import type { PodStatuses } from "./running-pod.ts";

/** The status of a pod whose containers are as given. Pure. */
export function podStatus(pod: Pod, { init, containers }: PodStatuses, now: string): Record<string, unknown> {
  const before: Record<string, unknown> = pod.status ?? {};
  const sidecars = (pod.spec.initContainers ?? []).map(({ restartPolicy }) => restartPolicy === "Always");
  const isInitialized = init.every((status, i) =>
    sidecars[i] ? status.started : status.state.terminated?.exitCode === 0,
  );
  const hadInitialized = before.phase !== "Pending" && before.phase !== undefined;
  const phase = phaseOf(pod, init, containers, isInitialized || hadInitialized);
  const serving = [...init.filter((_, i) => sidecars[i]), ...containers];
  const ready = containers.length > 0 && serving.every((status) => status.ready);
  const unready = serving.filter((status) => !status.ready).map((status) => status.name);
  const isOver = phase === "Succeeded" || phase === "Failed";
  const why = isOver
    ? { reason: phase === "Succeeded" ? "PodCompleted" : "PodFailed" }
    : { reason: "ContainersNotReady", message: `containers with unready status: [${unready.join(" ")}]` };
  const ok = { status: "True" };
  let conditions: Condition[] = pod.status?.conditions ?? [];
  const say = (type: string, value: { status: string; reason?: string; message?: string }): void => {
    conditions = withCondition(conditions, { type, ...value }, now);
  };
  const waitsFor = init.filter(
    (status, i) => !(sidecars[i] ? status.started : status.state.terminated?.exitCode === 0),
  );
  const incomplete = `containers with incomplete status: [${waitsFor.map(({ name }) => name).join(" ")}]`;
  say("PodReadyToStartContainers", ok);
  say(
    "Initialized",
    isInitialized || hadInitialized ? ok : { status: "False", reason: "ContainersNotInitialized", message: incomplete },
  );
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
    ...(init.length > 0
      ? { initContainerStatuses: init.map((status, i) => shownInit(status, sidecars[i] ?? false)) }
      : {}),
    containerStatuses: containers,
  };
}

/** An init container that has done its work is ready. */
function shownInit(status: ContainerStatus, isSidecar: boolean): ContainerStatus {
  return isSidecar ? status : { ...status, ready: status.state.terminated?.exitCode === 0 };
}

function phaseOf(
  pod: Pod,
  init: readonly ContainerStatus[],
  containers: readonly ContainerStatus[],
  isInitialized: boolean,
): string {
  const restarts = pod.spec.restartPolicy ?? "Always";
  const failedInit = init.some((status) => (status.state.terminated?.exitCode ?? 0) !== 0);
  if (!isInitialized) return restarts === "Never" && failedInit ? "Failed" : "Pending";
  // Sidecars are told to end when the others have, and the pod's end is theirs.
  if (init.some((status) => status.state.running)) return "Running";
  const ended = containers.map((status) => status.state.terminated?.exitCode);
  const isDeleted = pod.metadata.deletionTimestamp !== undefined;
  if ((restarts !== "Always" || isDeleted) && ended.length > 0 && ended.every((code) => code !== undefined)) {
    const failed = ended.some((code) => code !== 0);
    if (!failed) return "Succeeded";
    if (restarts === "Never" || isDeleted) return "Failed";
  }
  const hasRun = containers.some((status) => status.containerID !== undefined);
  return hasRun ? "Running" : "Pending";
}
