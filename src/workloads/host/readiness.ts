/** How an app is, told from what runs it and its pods. Pure; asked again on every change of either, for ever. */
import type { AppPod } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { Pod } from "../../kube/resources.ts";
import type { Controller } from "./controller.ts";
import { annotations } from "./names.ts";
import { type Crash, type PodState, podState } from "./pod-state.ts";

/** As in a RemoteApp's status. */
export type Phase = "Pending" | "Progressing" | "Ready" | "Degraded";

export interface Readiness {
  readonly phase: Phase;
  readonly reason: string;
  readonly message: string;
  /** How many pods are wanted. */
  readonly desired: number;
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly updatedReplicas: number;
  readonly availableReplicas: number;
  /** Up to 100, those in trouble first. */
  readonly pods: readonly AppPod[];
  /** Ends of containers whose last lines would explain more. */
  readonly crashes: readonly Crash[];
  /** Ask again after so many milliseconds even if nothing happens. */
  readonly againMs?: number;
}

export interface Observed {
  /** How many pods the app wants. */
  readonly desired: number;
  /** What runs it, as it is; undefined while there is none. */
  readonly controller: Controller | undefined;
  readonly pods: readonly Pod[];
  /** The hash of the template in it, see `templateOf`: trouble of older pods is over soon, and says nothing. */
  readonly template: string;
  /** What a pod's container printed before its last end. */
  lastLines(pod: string): string | undefined;
  /** Wall time in milliseconds. */
  readonly now: number;
}

const mostPods = 100;

/** A pod, and whether it is made from the app's present spec. */
type Seen = PodState & { readonly isCurrent: boolean };

export function readiness(o: Observed): Readiness {
  const states = o.pods
    .filter((pod) => !pod.metadata.deletionTimestamp)
    .map((pod) => {
      const isCurrent = pod.metadata.annotations?.[annotations.template] === o.template;
      return { ...podState(pod, o.lastLines(pod.metadata.name ?? ""), o.now), isCurrent };
    })
    .sort(byTrouble);
  const counts = countsOf(o, states);
  const again = states.flatMap(({ againMs }) => againMs ?? []);
  return {
    ...judge(o, states, counts),
    ...counts,
    pods: states.slice(0, mostPods).map(({ pod }) => pod),
    crashes: states.flatMap(({ crash }) => crash ?? []),
    ...(again.length > 0 ? { againMs: Math.min(...again) } : {}),
  };
}

type Counts = Pick<Readiness, "desired" | "replicas" | "readyReplicas" | "updatedReplicas" | "availableReplicas">;

function countsOf(o: Observed, states: readonly PodState[]): Counts {
  const status = o.controller?.object.status;
  const notReady = states.filter(({ pod }) => !pod.ready).length;
  // A pod that has just crashed and runs again is ready to Kubernetes and not to us.
  const ready = Math.min(status?.readyReplicas ?? 0, Math.max(0, states.length - notReady));
  return {
    desired: o.desired,
    replicas: status?.replicas ?? 0,
    readyReplicas: ready,
    updatedReplicas: status?.updatedReplicas ?? 0,
    availableReplicas: Math.min(status?.availableReplicas ?? 0, ready),
  };
}

function judge(o: Observed, states: readonly Seen[], counts: Counts): Pick<Readiness, "phase" | "reason" | "message"> {
  const { controller, desired } = o;
  if (!controller) return { phase: "Pending", reason: "NotCreated", message: "The app is being created." };
  const { readyReplicas: ready, updatedReplicas: updated, replicas } = counts;
  const seen = (controller.object.status?.observedGeneration ?? 0) >= (controller.object.metadata.generation ?? 0);
  if (!seen)
    return { phase: "Progressing", reason: "RollingOut", message: "The cluster has not looked at the change yet." };
  const worst = states.find(({ trouble, isCurrent }) => trouble && isCurrent);
  if (worst && desired > 0) {
    const message = `${ready} of ${desired} pods are ready. Pod ${worst.pod.name}: ${worst.pod.message}`;
    return { phase: "Degraded", reason: worst.pod.reason ?? "PodFailed", message };
  }
  const failure = condition(controller, "ReplicaFailure");
  if (failure?.status === "True") {
    const message = `${ready} of ${desired} pods are ready. The cluster makes no more: ${failure.message ?? "it does not say why"}`;
    return { phase: "Degraded", reason: failure.reason ?? "FailedCreate", message };
  }
  if (updated >= desired && ready >= desired && replicas <= desired) {
    const many = desired === 1 ? "Its pod is ready." : `All of its ${desired} pods are ready.`;
    const message = desired === 0 ? "The app is scaled to no pods." : many;
    return { phase: "Ready", reason: desired === 0 ? "ScaledToZero" : "AllReady", message };
  }
  const progress = condition(controller, "Progressing");
  if (progress?.status === "False" && progress.reason === "ProgressDeadlineExceeded") {
    const message = `${ready} of ${desired} pods are ready, and nothing moved within the app's progressDeadlineSeconds.`;
    return { phase: "Degraded", reason: "DeadlineExceeded", message };
  }
  const waiting = states.find(({ pod, isCurrent }) => !pod.ready && isCurrent)?.pod;
  const detail = waiting ? ` Pod ${waiting.name}: ${waiting.message}` : "";
  return { phase: "Progressing", reason: "RollingOut", message: `${ready} of ${desired} pods are ready.${detail}` };
}

function condition({ object }: Controller, wanted: string) {
  return object.status?.conditions?.find(({ type }) => type === wanted);
}

/** Present pods first, among them trouble, then what is not ready, then by name: stable from one look to the next. */
function byTrouble(a: Seen, b: Seen): number {
  const rank = (seen: Seen): number => (seen.isCurrent ? 0 : 3) + (seen.trouble ? 0 : seen.pod.ready ? 2 : 1);
  return rank(a) - rank(b) || ((a.pod.name ?? "") < (b.pod.name ?? "") ? -1 : 1);
}
