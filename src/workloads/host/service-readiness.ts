/** How an app is that runs until it is told otherwise: a Deployment or a StatefulSet. Pure. */

import type { Counts, Judged, Judgement, ObservedService, Seen } from "./observed.ts";
import type { PodState } from "./pod-state.ts";
import { rolloutOf } from "./rollout.ts";
import { conditionOf, type Serving, wantedUpdates } from "./serving.ts";

export function serviceReadiness(o: ObservedService, states: readonly Seen[]): Judged {
  const counts = countsOf(o, states);
  if (!o.controller) {
    const judgement = { phase: "Pending", reason: "NotCreated", message: "The app is being created." } as const;
    return { counts, judgement };
  }
  const { rollout, isLate, againMs } = rolloutOf(o, o.controller, states, counts);
  return {
    counts,
    judgement: judge(o, o.controller, states, counts, isLate),
    ...(rollout ? { rollout } : {}),
    ...(againMs === undefined ? {} : { againMs }),
  };
}

function countsOf(o: ObservedService, states: readonly PodState[]): Counts {
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

function judge(
  { desired }: ObservedService,
  controller: Serving,
  states: readonly Seen[],
  counts: Counts,
  isLate: boolean,
): Judgement {
  const { readyReplicas: ready, updatedReplicas: updated, replicas } = counts;
  const { metadata, status } = controller.object;
  const isSeen = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  if (!isSeen)
    return { phase: "Progressing", reason: "RollingOut", message: "The cluster has not looked at the change yet." };
  const so = `${ready} of ${desired} pods are ready.`;
  // A StatefulSet keeps to its order: it waits for one of its pods that is in trouble, of whichever spec.
  const worst = states.find(({ trouble, isCurrent }) => trouble && (isCurrent || controller.kind === "StatefulSet"));
  if (worst && desired > 0) {
    const message = `${so} Pod ${worst.pod.name}: ${worst.pod.message}`;
    return { phase: "Degraded", reason: worst.pod.reason ?? "PodFailed", message };
  }
  const failure = controller.kind === "Deployment" ? conditionOf(controller.object, "ReplicaFailure") : undefined;
  if (failure?.status === "True") {
    const message = `${so} The cluster makes no more: ${failure.message ?? "it does not say why"}`;
    return { phase: "Degraded", reason: failure.reason ?? "FailedCreate", message };
  }
  if (updated >= wantedUpdates(controller, desired) && ready >= desired && replicas <= desired) {
    const many = desired === 1 ? "Its pod is ready." : `All of its ${desired} pods are ready.`;
    const message = desired === 0 ? "The app is scaled to no pods." : many;
    return { phase: "Ready", reason: desired === 0 ? "ScaledToZero" : "AllReady", message };
  }
  if (isLate) {
    const message = `${so.slice(0, -1)}, and nothing moved within the app's progressDeadlineSeconds.`;
    return { phase: "Degraded", reason: "DeadlineExceeded", message };
  }
  if (controller.kind === "Deployment" && controller.object.spec?.paused && updated < desired) {
    return { phase: "Progressing", reason: "Paused", message: `${so} Its rollout is paused.` };
  }
  const waiting = states.find(({ pod, isCurrent }) => !pod.ready && isCurrent)?.pod;
  const detail = waiting ? ` Pod ${waiting.name}: ${waiting.message}` : "";
  return { phase: "Progressing", reason: "RollingOut", message: `${so}${detail}` };
}
