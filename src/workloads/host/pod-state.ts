/** What one pod says about itself, in words for the origin. Pure. */
import { create } from "@bufbuild/protobuf";
import { type AppPod, AppPodSchema } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { Pod } from "../../kube/resources.ts";
import { shorten } from "../../policy/shorten.ts";
import { type ContainerState, containerStates, hasEnded, mostMessageChars, type Why } from "./container-state.ts";
import { containerName } from "./containers.ts";

/** How a pod is. `trouble` means that it does not work and will not by itself; a pod that only starts has none. */
export interface PodState {
  readonly pod: AppPod;
  readonly trouble: boolean;
  /** It has ended, or is about to: what it does not do now it never will. */
  readonly isOver: boolean;
  /** Set for a container that ended and whose last lines would tell why. */
  readonly crash?: Crash;
  /** The state may change by the passing of time alone, in so many milliseconds. */
  readonly againMs?: number;
}

/** One end of a container. */
export interface Crash {
  readonly pod: string;
  readonly container: string;
  /** Differs for each end of each container. */
  readonly id: string;
  /** The lines are those of the run before the present one. */
  readonly previous: boolean;
}

/** What a container of a pod printed before its last end, when known. */
export type LastLines = (pod: string, container: string) => string | undefined;

/** `now` is wall time. */
export function podState(pod: Pod, lastLines: LastLines, now: number): PodState {
  const states = containerStates(pod, now);
  const isReady = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
  const worst = states.find(({ why }) => why?.isTrouble);
  const steady = states.flatMap(({ steadyInMs }) => steadyInMs ?? []);
  const isWell = isReady && worst === undefined;
  const why = isWell ? undefined : explain(pod, states, worst);
  const isTold = worst !== undefined && why === worst.why;
  const name = pod.metadata.name ?? "";
  const own = states.find(({ container }) => container.name === containerName) ?? states[0];
  const startedAt = own?.status.state?.running?.startedAt;
  const lines = isTold && worst.crashed ? lastLines(name, worst.status.name) : undefined;
  return {
    pod: create(AppPodSchema, {
      name,
      phase: pod.status?.phase ?? "Pending",
      ready: isWell,
      restarts: states.reduce((sum, { status }) => sum + status.restartCount, 0),
      ...(pod.spec?.nodeName ? { node: pod.spec.nodeName } : {}),
      ...(startedAt ? { startedAt } : {}),
      ...(why ? { reason: why.reason, message: why.message } : {}),
      ...(why?.exitCode === undefined ? {} : { exitCode: why.exitCode }),
      ...(lines ? { lastLines: lines } : {}),
      containers: told(states, worst).map(({ container }) => container),
    }),
    trouble: why?.isTrouble ?? false,
    isOver: hasEnded(pod) || (pod.spec?.restartPolicy === "Never" && worst?.crashed !== undefined),
    ...(isTold && worst.crashed ? { crash: crashOf(pod, worst) } : {}),
    ...(steady.length > 0 ? { againMs: Math.min(...steady) } : {}),
  };
}

/** As many as a status has room for, and among them the one that is in trouble. */
function told(states: readonly ContainerState[], worst: ContainerState | undefined): readonly ContainerState[] {
  const first = states.slice(0, mostContainers);
  return worst === undefined || first.includes(worst) ? first : [...first.slice(0, -1), worst];
}

const mostContainers = 16;

function crashOf(pod: Pod, { status, crashed }: ContainerState): Crash {
  const id = `${pod.metadata.uid} ${status.name} ${status.restartCount} ${crashed?.finishedAt ?? ""}`;
  return { pod: pod.metadata.name ?? "", container: status.name, id, previous: !status.state?.terminated };
}

function explain(pod: Pod, states: readonly ContainerState[], worst: ContainerState | undefined): Why {
  const { phase, reason, message } = pod.status ?? {};
  if (phase === "Succeeded") return { reason: "Completed", message: "The pod ended well.", isTrouble: false };
  if (phase === "Failed" && reason) {
    return { reason, message: shorten(message ?? "The pod failed.", mostMessageChars), isTrouble: true };
  }
  const scheduled = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") {
    const said = scheduled.message ?? "No node has room for the pod.";
    const isTrouble = scheduled.reason === "Unschedulable";
    return { reason: scheduled.reason ?? "Unschedulable", message: shorten(said, mostMessageChars), isTrouble };
  }
  if (worst?.why) return worst.why;
  // What runs before the others is what they wait for.
  const waits = states.filter(({ why }) => why !== undefined);
  const first = waits.find(({ container }) => container.init) ?? waits[0];
  if (first?.why) return first.why;
  if (phase === "Failed") return { reason: "Failed", message: "The pod failed.", isTrouble: true };
  if (states.length > 0) return { reason: "NotReady", message: "The pod runs and is not ready yet.", isTrouble: false };
  return { reason: "Starting", message: "The pod is being started.", isTrouble: false };
}
