/** What one pod says about itself, in words for the origin. Pure. */
import { create } from "@bufbuild/protobuf";
import { type AppPod, AppPodSchema } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { Pod } from "../../kube/resources.ts";

/** How a pod is. `trouble` means that it does not work and will not by itself; a pod that only starts has none. */
export interface PodState {
  readonly pod: AppPod;
  readonly trouble: boolean;
  /** Set for a container that ended and whose last lines would tell why. */
  readonly crash?: Crash;
  /** The state may change by the passing of time alone, in so many milliseconds. */
  readonly againMs?: number;
}

/** One end of a container. */
export interface Crash {
  readonly pod: string;
  /** Differs for each end of each container. */
  readonly id: string;
  /** The lines are those of the run before the present one. */
  readonly previous: boolean;
}

interface Why {
  reason: string;
  message: string;
  trouble: boolean;
  exitCode?: number;
}

type ContainerStatus = NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>[number];

/** A container that was started again counts as crashing until it has run for so long. */
const steadyMs = 10_000;

/** What a kubelet says while it goes on starting a container. */
const starting = new Set(["ContainerCreating", "PodInitializing"]);

/** Words for one and the same trouble, between which a kubelet changes with each attempt. */
const sameTrouble: Record<string, string> = { ErrImagePull: "ImagePullBackOff" };

/** `lastLines` are what the container printed before its last end, when known. `now` is wall time. */
export function podState(pod: Pod, lastLines: string | undefined, now: number): PodState {
  const container = pod.status?.containerStatuses?.[0];
  const ready = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
  const startedAt = container?.state?.running?.startedAt;
  const ranMs = startedAt === undefined ? undefined : now - Date.parse(startedAt);
  const crashed = container ? lastEnd(container) : undefined;
  const steady = !crashed || (ready && ranMs !== undefined && ranMs >= steadyMs);
  const why = ready && steady ? undefined : explain(pod, container, crashed, ready);
  const restarts = container?.restartCount ?? 0;
  return {
    pod: create(AppPodSchema, {
      name: pod.metadata.name ?? "",
      phase: pod.status?.phase ?? "Pending",
      ready: ready && steady,
      restarts,
      ...(pod.spec?.nodeName ? { node: pod.spec.nodeName } : {}),
      ...(startedAt ? { startedAt } : {}),
      ...(why ? { reason: why.reason, message: why.message } : {}),
      ...(why?.exitCode === undefined ? {} : { exitCode: why.exitCode }),
      ...(crashed && why && lastLines ? { lastLines } : {}),
    }),
    trouble: why?.trouble ?? false,
    ...(crashed && why && container ? { crash: crashOf(pod, container, crashed) } : {}),
    ...(crashed && ready && !steady && ranMs !== undefined ? { againMs: Math.max(1, steadyMs - ranMs) } : {}),
  };
}

function crashOf(pod: Pod, container: ContainerStatus, end: Ended): Crash {
  const id = `${pod.metadata.uid} ${container.restartCount} ${end.finishedAt ?? ""}`;
  return { pod: pod.metadata.name ?? "", id, previous: !container.state?.terminated };
}

type Ended = NonNullable<NonNullable<ContainerStatus["lastState"]>["terminated"]>;

/** How the container's last run ended; undefined when it is in its first. */
function lastEnd(container: ContainerStatus): Ended | undefined {
  return container.state?.terminated ?? container.lastState?.terminated;
}

function explain(pod: Pod, container: ContainerStatus | undefined, crashed: Ended | undefined, ready: boolean): Why {
  if (pod.status?.phase === "Failed" && pod.status.reason) {
    return { reason: pod.status.reason, message: pod.status.message ?? "The pod failed.", trouble: true };
  }
  const scheduled = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") {
    const message = scheduled.message ?? "No node has room for the pod.";
    return { reason: scheduled.reason ?? "Unschedulable", message, trouble: scheduled.reason === "Unschedulable" };
  }
  if (crashed) return explainEnd(crashed);
  const waiting = container?.state?.waiting;
  if (waiting?.reason && !starting.has(waiting.reason)) {
    const reason = sameTrouble[waiting.reason] ?? waiting.reason;
    const message = waiting.message ?? `The container waits: ${waiting.reason}.`;
    return { reason, message, trouble: true };
  }
  if (container?.state?.running && !ready) {
    return { reason: "NotReady", message: "The container runs and is not ready yet.", trouble: false };
  }
  return { reason: waiting?.reason ?? "Starting", message: "The pod is being started.", trouble: false };
}

function explainEnd(end: Ended): Why {
  const { exitCode } = end;
  if (end.reason === "OOMKilled") {
    const message = `The container was killed because it used more memory than its limit (exit code ${exitCode}).`;
    return { reason: "OOMKilled", message, trouble: true, exitCode };
  }
  const cannotStart = end.reason === "ContainerCannotRun" || end.reason === "StartError";
  const said = end.message ? `: ${end.message}` : "";
  const message = cannotStart
    ? `The container cannot be started (exit code ${exitCode})${said}`
    : `The container keeps ending, with exit code ${exitCode}${said}`;
  return { reason: cannotStart ? "ContainerCannotRun" : "CrashLoopBackOff", message, trouble: true, exitCode };
}
