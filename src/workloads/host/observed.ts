/** What there is to see of an app, whatever its kind, and what may be said of it. Types alone. */
import type { AppJobStatus } from "../../gen/fairlead/resources/v1alpha1/app_job_pb.ts";
import type { AppRollout } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { Job, Pod } from "../../kube/resources.ts";
import type { LastLines, PodState } from "./pod-state.ts";
import type { Controller, Running, Serving } from "./serving.ts";

/** As in a RemoteApp's status. */
export type Phase = "Pending" | "Progressing" | "Ready" | "Degraded";

/** How the whole is, in the words of a status. */
export interface Judgement {
  readonly phase: Phase;
  readonly reason: string;
  readonly message: string;
}

export interface Counts {
  /** How many pods are wanted. */
  readonly desired: number;
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly updatedReplicas: number;
  readonly availableReplicas: number;
}

/** How a Job ended. Times are RFC 3339. */
export interface FinishedRun {
  readonly result: "Complete" | "Failed";
  readonly startedAt?: string | undefined;
  readonly completedAt?: string | undefined;
  readonly succeeded: number;
  readonly failed: number;
  /** Why it failed, in one word and in a sentence. */
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

export interface Observed {
  /** How many pods the app wants. */
  readonly desired: number;
  /** What makes the pods; undefined while there is none. */
  readonly controller: Controller | undefined;
  /** The Jobs of a CronJob. */
  readonly jobs?: readonly Job[];
  /** How a Job has ended that is remembered; it may be gone. */
  readonly finished?: FinishedRun | undefined;
  readonly pods: readonly Pod[];
  /** The hash of the pods' template, see `templateOf`: trouble of older pods is over soon, and says nothing. */
  readonly template: string;
  readonly lastLines: LastLines;
  /** How long a rollout may make no progress, in seconds. */
  readonly progressDeadlineSeconds: number;
  /** The rollout of this same template as it was found last. */
  readonly rollout?: AppRollout | undefined;
  /** Wall time in milliseconds. */
  readonly now: number;
}

/** A pod, and whether it is made from the app's present spec. */
export type Seen = PodState & { readonly isCurrent: boolean };

/** What differs by the kind. */
export interface Judged {
  readonly counts: Counts;
  readonly judgement: Judgement;
  readonly rollout?: AppRollout;
  readonly job?: AppJobStatus;
  readonly againMs?: number;
}

export type ObservedService = Omit<Observed, "controller"> & { readonly controller: Serving | undefined };
export type ObservedJob = Omit<Observed, "controller"> & { readonly controller: Running | undefined };
