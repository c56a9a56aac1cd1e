/** How an app is, told from what makes its pods and from the pods. Pure; asked again on every change of either, for ever. */
import type { AppJobStatus } from "../../gen/fairlead/resources/v1alpha1/app_job_pb.ts";
import type { AppPod, AppRollout } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import { jobReadiness } from "./job-readiness.ts";
import { annotations } from "./names.ts";
import type { Counts, Judged, Judgement, Observed, Seen } from "./observed.ts";
import { type Crash, podState } from "./pod-state.ts";
import { serviceReadiness } from "./service-readiness.ts";

export interface Readiness extends Judgement, Counts {
  /** Up to 100, those in trouble first. */
  readonly pods: readonly AppPod[];
  /** Ends of containers whose last lines would explain more. */
  readonly crashes: readonly Crash[];
  /** While one is under way, or stands still. */
  readonly rollout?: AppRollout;
  /** Of a Job or a CronJob. */
  readonly job?: AppJobStatus;
  /** Ask again after so many milliseconds even if nothing happens. */
  readonly againMs?: number;
}

const mostPods = 100;
/** Of all pods of one status together: it goes over a link and into two stores. */
const mostContainers = 256;

export function readiness(o: Observed): Readiness {
  const states = o.pods
    .filter((pod) => !pod.metadata.deletionTimestamp)
    .map((pod) => {
      const isCurrent = pod.metadata.annotations?.[annotations.template] === o.template;
      return { ...podState(pod, o.lastLines, o.now), isCurrent };
    })
    .sort(byTrouble);
  const { counts, judgement, rollout, job, againMs } = judge(o, states);
  const again = [...states.map((state) => state.againMs), againMs].filter((ms) => ms !== undefined);
  return {
    ...judgement,
    ...counts,
    pods: bounded(states.slice(0, mostPods).map(({ pod }) => pod)),
    crashes: states.flatMap(({ crash }) => crash ?? []),
    ...(rollout ? { rollout } : {}),
    ...(job ? { job } : {}),
    ...(again.length > 0 ? { againMs: Math.min(...again) } : {}),
  };
}

function judge(o: Observed, states: readonly Seen[]): Judged {
  const { controller } = o;
  if (controller?.kind === "Job" || controller?.kind === "CronJob" || o.finished)
    return jobReadiness(
      { ...o, controller: controller?.kind === "CronJob" || controller?.kind === "Job" ? controller : undefined },
      states,
    );
  return serviceReadiness({ ...o, controller }, states);
}

/** Pods in trouble come first, so theirs are the containers that are told. */
function bounded(pods: AppPod[]): AppPod[] {
  let left = mostContainers;
  for (const pod of pods) {
    if (pod.containers.length > left) pod.containers = [];
    left -= pod.containers.length;
  }
  return pods;
}

/** Present pods first, among them trouble, then what is not ready, then by name: stable from one look to the next. */
function byTrouble(a: Seen, b: Seen): number {
  const rank = (seen: Seen): number => (seen.isCurrent ? 0 : 3) + (seen.trouble ? 0 : seen.pod.ready ? 2 : 1);
  return rank(a) - rank(b) || ((a.pod.name ?? "") < (b.pod.name ?? "") ? -1 : 1);
}
