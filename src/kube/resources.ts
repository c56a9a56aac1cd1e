/** The kinds of object that Fairlead reads and writes: its own, and those of Kubernetes that it uses. */
import type * as k8s from "@kubernetes/client-node";
import {
  type ForwardSpec,
  ForwardSpecSchema,
  type ForwardStatus,
  ForwardStatusSchema,
} from "../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import {
  type PeerSpec,
  PeerSpecSchema,
  type PeerStatus,
  PeerStatusSchema,
} from "../gen/fairlead/resources/v1alpha1/peer_pb.ts";
import {
  type PeerPolicySpec,
  PeerPolicySpecSchema,
  type PeerPolicyStatus,
  PeerPolicyStatusSchema,
} from "../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import {
  type RemoteAppSpec,
  RemoteAppSpecSchema,
  type RemoteAppStatus,
  RemoteAppStatusSchema,
} from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import {
  type WorkloadSpec,
  WorkloadSpecSchema,
  type WorkloadStatus,
  WorkloadStatusSchema,
} from "../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import { customResource } from "./custom-resource.ts";
import type { JsonObject, KubeObject, Resource, Stored } from "./object.ts";
import type { ResourceKind } from "./resource-kind.ts";

export type Peer = Resource<PeerSpec, PeerStatus>;
export type PeerPolicy = Resource<PeerPolicySpec, PeerPolicyStatus>;
export type RemoteApp = Resource<RemoteAppSpec, RemoteAppStatus>;
export type Workload = Resource<WorkloadSpec, WorkloadStatus>;
export type Forward = Resource<ForwardSpec, ForwardStatus>;

export const peers: ResourceKind<Peer> = customResource({
  plural: "peers",
  kind: "Peer",
  spec: PeerSpecSchema,
  status: PeerStatusSchema,
});
export const peerPolicies: ResourceKind<PeerPolicy> = customResource({
  plural: "peerpolicies",
  kind: "PeerPolicy",
  spec: PeerPolicySpecSchema,
  status: PeerPolicyStatusSchema,
});
export const remoteApps: ResourceKind<RemoteApp> = customResource({
  plural: "remoteapps",
  kind: "RemoteApp",
  spec: RemoteAppSpecSchema,
  status: RemoteAppStatusSchema,
});
export const workloads: ResourceKind<Workload> = customResource({
  plural: "workloads",
  kind: "Workload",
  spec: WorkloadSpecSchema,
  status: WorkloadStatusSchema,
});
export const forwards: ResourceKind<Forward> = customResource({
  plural: "forwards",
  kind: "Forward",
  spec: ForwardSpecSchema,
  status: ForwardStatusSchema,
});

export type Namespace = Stored<k8s.V1Namespace>;
export type Secret = Stored<k8s.V1Secret>;
export type ConfigMap = Stored<k8s.V1ConfigMap>;
export type Service = Stored<k8s.V1Service>;
export type Pod = Stored<k8s.V1Pod>;
export type Node = Stored<k8s.V1Node>;
export type Deployment = Stored<k8s.V1Deployment>;
/** One state of what a controller manages; its `data` never changes. */
export type ControllerRevision = Omit<Stored<k8s.V1ControllerRevision>, "data"> & { data: JsonObject };
export type StatefulSet = Stored<k8s.V1StatefulSet>;
export type Job = Stored<k8s.V1Job>;
export type CronJob = Stored<k8s.V1CronJob>;
export type PersistentVolumeClaim = Stored<k8s.V1PersistentVolumeClaim>;
export type Event = Stored<k8s.EventsV1Event>;
export type ResourceQuota = Stored<k8s.V1ResourceQuota>;
export type LimitRange = Stored<k8s.V1LimitRange>;
export type NetworkPolicy = Stored<k8s.V1NetworkPolicy>;
export type EndpointSlice = Stored<k8s.V1EndpointSlice>;
export type RoleBinding = Stored<k8s.V1RoleBinding>;
/** Asked and answered by a creation, never stored. */
export type SelfSubjectReview = Stored<k8s.V1SelfSubjectReview>;
/** Asked and answered by a creation, never stored. */
export type SelfSubjectAccessReview = Stored<k8s.V1SelfSubjectAccessReview>;
/** Asked and answered by a creation, never stored. */
export type TokenReview = Stored<k8s.V1TokenReview>;
export type CustomResourceDefinition = Stored<k8s.V1CustomResourceDefinition>;

export const namespaces = builtIn<Namespace>("", "v1", "namespaces", "Namespace", false);
export const secrets = builtIn<Secret>("", "v1", "secrets", "Secret");
export const configMaps = builtIn<ConfigMap>("", "v1", "configmaps", "ConfigMap");
export const services = builtIn<Service>("", "v1", "services", "Service");
export const pods = builtIn<Pod>("", "v1", "pods", "Pod");
export const nodes = builtIn<Node>("", "v1", "nodes", "Node", false);
export const deployments = builtIn<Deployment>("apps", "v1", "deployments", "Deployment");
export const controllerRevisions = builtIn<ControllerRevision>(
  "apps",
  "v1",
  "controllerrevisions",
  "ControllerRevision",
);
export const statefulSets = builtIn<StatefulSet>("apps", "v1", "statefulsets", "StatefulSet");
export const jobs = builtIn<Job>("batch", "v1", "jobs", "Job");
export const cronJobs = builtIn<CronJob>("batch", "v1", "cronjobs", "CronJob");
export const persistentVolumeClaims = builtIn<PersistentVolumeClaim>(
  "",
  "v1",
  "persistentvolumeclaims",
  "PersistentVolumeClaim",
);
export const events = builtIn<Event>("events.k8s.io", "v1", "events", "Event");
export const resourceQuotas = builtIn<ResourceQuota>("", "v1", "resourcequotas", "ResourceQuota");
export const limitRanges = builtIn<LimitRange>("", "v1", "limitranges", "LimitRange");
export const networkPolicies = builtIn<NetworkPolicy>("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy");
export const endpointSlices = builtIn<EndpointSlice>("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice");
export const roleBindings = builtIn<RoleBinding>("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding");
export const selfSubjectReviews = builtIn<SelfSubjectReview>(
  "authentication.k8s.io",
  "v1",
  "selfsubjectreviews",
  "SelfSubjectReview",
  false,
);
export const selfSubjectAccessReviews = builtIn<SelfSubjectAccessReview>(
  "authorization.k8s.io",
  "v1",
  "selfsubjectaccessreviews",
  "SelfSubjectAccessReview",
  false,
);
export const tokenReviews = builtIn<TokenReview>("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", false);
export const customResourceDefinitions = builtIn<CustomResourceDefinition>(
  "apiextensions.k8s.io",
  "v1",
  "customresourcedefinitions",
  "CustomResourceDefinition",
  false,
);

/** A kind of Kubernetes' own, whose JSON is used as it is. */
function builtIn<T extends KubeObject>(
  group: string,
  version: string,
  plural: string,
  kind: string,
  namespaced = true,
): ResourceKind<T> {
  return {
    group,
    version,
    plural,
    kind,
    namespaced,
    // The API server validates what it stores and sends, and the types are made from its own schema.
    parse: (json: object) => json as T,
    format: (object): JsonObject => JSON.parse(JSON.stringify(object)),
  };
}
