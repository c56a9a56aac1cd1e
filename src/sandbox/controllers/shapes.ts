/** The parts of Kubernetes' own kinds that the controllers read. The schema vouched for them when they were stored. */
import type { KubeObject } from "../object.ts";
import type { Condition, Pod } from "./pod-shapes.ts";

export type * from "./pod-shapes.ts";

export interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export interface PodTemplate {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: Record<string, unknown>;
}

export interface ReplicaSet extends KubeObject {
  kind: "ReplicaSet";
  spec: { replicas: number; selector: Selector; template: PodTemplate; minReadySeconds?: number };
  status?: { replicas?: number; readyReplicas?: number; availableReplicas?: number };
}

export interface Deployment extends KubeObject {
  kind: "Deployment";
  spec: {
    replicas: number;
    selector: Selector;
    template: PodTemplate;
    strategy: { type: string; rollingUpdate?: { maxSurge?: number | string; maxUnavailable?: number | string } };
    progressDeadlineSeconds?: number;
    revisionHistoryLimit?: number;
    paused?: boolean;
  };
  status?: { conditions?: Condition[] } & Record<string, unknown>;
}

export interface Claim extends KubeObject {
  kind: "PersistentVolumeClaim";
  spec: { accessModes?: string[]; resources?: { requests?: Record<string, string | number> }; volumeName?: string };
  status?: { phase?: string };
}

export interface StatefulSet extends KubeObject {
  kind: "StatefulSet";
  spec: {
    replicas: number;
    selector: Selector;
    serviceName?: string;
    template: PodTemplate;
    ordinals?: { start?: number };
    podManagementPolicy: string;
    updateStrategy: { type: string; rollingUpdate?: { partition?: number } };
    revisionHistoryLimit?: number;
    persistentVolumeClaimRetentionPolicy?: { whenDeleted?: string; whenScaled?: string };
    volumeClaimTemplates?: { metadata: { name: string; [field: string]: unknown }; spec: Record<string, unknown> }[];
  };
  status?: { currentRevision?: string; updateRevision?: string; currentReplicas?: number };
}

export interface ControllerRevision extends KubeObject {
  kind: "ControllerRevision";
  revision: number;
  data?: unknown;
}

export interface Job extends KubeObject {
  kind: "Job";
  spec: {
    completions?: number;
    parallelism: number;
    backoffLimit: number;
    completionMode: string;
    suspend?: boolean;
    activeDeadlineSeconds?: number;
    ttlSecondsAfterFinished?: number;
    template: PodTemplate;
  };
  status?: JobStatus;
}

export interface JobStatus {
  [field: string]: unknown;
  active?: number;
  succeeded?: number;
  failed?: number;
  startTime?: string;
  completionTime?: string;
  completedIndexes?: string;
  conditions?: Condition[];
}

export interface CronJob extends KubeObject {
  kind: "CronJob";
  spec: {
    schedule: string;
    timeZone?: string;
    concurrencyPolicy: string;
    suspend?: boolean;
    startingDeadlineSeconds?: number;
    successfulJobsHistoryLimit?: number;
    failedJobsHistoryLimit?: number;
    jobTemplate: { metadata?: PodTemplate["metadata"]; spec: Record<string, unknown> };
  };
  status?: { lastScheduleTime?: string; lastSuccessfulTime?: string; active?: unknown[] };
}

export interface Service extends KubeObject {
  kind: "Service";
  spec: {
    selector?: Record<string, string>;
    ports?: { name?: string; port: number; protocol?: string; targetPort?: number | string; appProtocol?: string }[];
  };
}

export const isClaim = (object: KubeObject): object is Claim => object.kind === "PersistentVolumeClaim";
export const isStatefulSet = (object: KubeObject): object is StatefulSet => object.kind === "StatefulSet";
export const isControllerRevision = (object: KubeObject): object is ControllerRevision =>
  object.kind === "ControllerRevision";
export const isJob = (object: KubeObject): object is Job => object.kind === "Job";
export const isCronJob = (object: KubeObject): object is CronJob => object.kind === "CronJob";
export const isPod = (object: KubeObject): object is Pod => object.kind === "Pod";
export const isReplicaSet = (object: KubeObject): object is ReplicaSet => object.kind === "ReplicaSet";
export const isDeployment = (object: KubeObject): object is Deployment => object.kind === "Deployment";
export const isService = (object: KubeObject): object is Service => object.kind === "Service";

export function isPodReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

/** Whether a pod counts no more: it ended, or is on its way out. */
export function isPodGone(pod: Pod): boolean {
  const { phase } = pod.status ?? {};
  return pod.metadata.deletionTimestamp !== undefined || phase === "Succeeded" || phase === "Failed";
}

export function controllerReference(owner: KubeObject) {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true, blockOwnerDeletion: true };
}

/** The list with the condition of that type replaced; the time of its last change moves only when its status does. */
export function withCondition(
  conditions: readonly Condition[],
  next: Omit<Condition, "lastTransitionTime">,
  now: string,
): Condition[] {
  const old = conditions.find(({ type }) => type === next.type);
  const lastTransitionTime = old?.status === next.status ? (old.lastTransitionTime ?? now) : now;
  const made: Condition = { ...next, lastTransitionTime };
  if (!old) return [...conditions, made];
  return conditions.map((condition) => (condition === old ? made : condition));
}
