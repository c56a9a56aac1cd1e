/** The parts of Kubernetes' own kinds that the controllers read. The schema vouched for them when they were stored. */
import type { KubeObject } from "../object.ts";

export interface ContainerPort {
  name?: string;
  containerPort: number;
  protocol?: string;
}

export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: string }[];
  ports?: ContainerPort[];
  resources?: { requests?: Record<string, string | number>; limits?: Record<string, string | number> };
}

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  lastUpdateTime?: string;
}

export interface ContainerState {
  waiting?: { reason: string; message?: string };
  running?: { startedAt: string };
  terminated?: {
    exitCode: number;
    signal?: number;
    reason: string;
    startedAt: string;
    finishedAt: string;
    containerID: string;
  };
}

export interface ContainerStatus {
  name: string;
  image: string;
  imageID: string;
  containerID?: string;
  ready: boolean;
  started: boolean;
  restartCount: number;
  state: ContainerState;
  lastState: ContainerState;
}

export interface Pod extends KubeObject {
  kind: "Pod";
  spec: { containers: Container[]; nodeName?: string; restartPolicy?: string; terminationGracePeriodSeconds?: number };
  status?: { phase?: string; conditions?: Condition[]; containerStatuses?: ContainerStatus[]; podIP?: string };
}

interface Selector {
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

export interface Service extends KubeObject {
  kind: "Service";
  spec: {
    selector?: Record<string, string>;
    ports?: { name?: string; port: number; protocol?: string; targetPort?: number | string; appProtocol?: string }[];
  };
}

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

export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return (
    object.metadata.ownerReferences?.some(({ controller, uid }) => controller && uid === owner.metadata.uid) ?? false
  );
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
