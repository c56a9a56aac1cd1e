/** What a Workload stands for: what makes its pods, a Service and a NetworkPolicy. Pure: what is equal gives equal manifests. */
import type { AppPort } from "../../gen/fairlead/resources/v1alpha1/container_pb.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { type Draft, isJsonObject, type JsonObject, type JsonValue } from "../../kube/object.ts";
import {
  type Deployment,
  deployments,
  type NetworkPolicy,
  type Secret,
  type Service,
  type Workload,
} from "../../kube/resources.ts";
import { networkPolicyFor } from "../../policy/enforcement.ts";
import { portName, present, transportOf } from "./containers.ts";
import { labelsFor, selectorOf } from "./names.ts";
import type { Plan } from "./plan.ts";
import { templateFor } from "./pod.ts";
import { pullSecretContent } from "./pulled-images.ts";

export function deploymentFor(workload: Workload, plan: Plan): Draft<Deployment> {
  const { app } = plan;
  const spec: JsonObject = {
    replicas: plan.replicas,
    progressDeadlineSeconds: app.progressDeadlineSeconds ?? defaultProgressDeadlineSeconds,
    revisionHistoryLimit: 2,
    strategy: strategyOf(plan),
    ...present({ minReadySeconds: app.minReadySeconds, paused: app.paused }),
    selector: { matchLabels: selectorOf(workload) },
    template: templateFor(workload, plan),
  };
  return { ...deployments.parse({ spec }), metadata: metadataFor(workload) };
}

/** What kube-apiserver assumes when a Deployment does not say. */
export const defaultProgressDeadlineSeconds = 600;

/** What the app says of it counts; in the rest there is never one more than the quota holds. */
function strategyOf({ app, surge: hasRoom }: Plan): JsonObject {
  const { type = "RollingUpdate", rollingUpdate = {} } = app.strategy ?? {};
  if (type !== "RollingUpdate") return { type };
  const stated = isJsonObject(rollingUpdate) ? rollingUpdate : {};
  // Where but one node can mount a claim, its pod has to go before another can have it.
  const surge = hasRoom && app.claims.every(({ spec }) => isForMany(spec?.accessModes));
  const usual = surge ? ordinaryRollout : rolloutInPlace;
  const both = { ...usual, ...stated };
  // Nothing would ever move. One pod must come before another goes when none may go first.
  const stuck = isNone(both.maxSurge) && isNone(both.maxUnavailable);
  return { type, rollingUpdate: stuck && !("maxSurge" in stated) ? { ...both, maxSurge: 1 } : both };
}

function isForMany(accessModes: JsonValue | undefined): boolean {
  return Array.isArray(accessModes) && accessModes.includes("ReadWriteMany");
}

function isNone(amount: JsonValue): boolean {
  return amount === 0 || amount === "0%" || amount === "0";
}

/** As kube-apiserver has it when a Deployment does not say. */
const ordinaryRollout = { maxSurge: "25%", maxUnavailable: "25%" };
/** One pod goes before its successor comes, so that there is never one more than the quota holds. */
const rolloutInPlace = { maxSurge: 0, maxUnavailable: 1 };

/** What the pods pull with that the origin brings along; undefined when this cluster pulls itself. */
export function pullSecretFor(workload: Workload, { images }: Plan): Draft<Secret> | undefined {
  if (!images) return undefined;
  return { metadata: { ...metadataFor(workload), name: images.secretName }, ...pullSecretContent(images) };
}

/** Undefined for an app without ports: Kubernetes has no Service without one. */
export function serviceFor(workload: Workload, app: RemoteAppSpec): Draft<Service> | undefined {
  if (app.ports.length === 0) return undefined;
  return {
    metadata: metadataFor(workload),
    spec: { type: "ClusterIP", selector: selectorOf(workload), ports: app.ports.map(servicePort) },
  };
}

/** Lets the app's pods reach one another; what else they may do says the namespace's own NetworkPolicy. */
export function networkPolicyOf(workload: Workload): Draft<NetworkPolicy> {
  const { namespace = "", name = "" } = workload.metadata;
  return { ...networkPolicyFor({ namespace, name }, selectorOf(workload)), metadata: metadataFor(workload) };
}

/** Of an object that goes with the Workload; of its name, unless another is given. */
export function metadataFor(workload: Workload, called?: string): Draft<Deployment>["metadata"] {
  const { name = "", namespace = "" } = workload.metadata;
  const owner = { ...ownerOf(workload), controller: true, blockOwnerDeletion: true };
  return { name: called ?? name, namespace, labels: labelsFor(workload), ownerReferences: [owner] };
}

export function ownerOf({ metadata: { name = "", uid = "" } }: Workload) {
  return { apiVersion: "fairlead.dev/v1alpha1", kind: "Workload", name, uid };
}

export function servicePort(port: AppPort) {
  const appProtocol = kubernetesProtocols[port.appProtocol ?? "http"];
  return {
    name: portName(port),
    port: port.containerPort ?? 0,
    targetPort: port.containerPort ?? 0,
    protocol: transportOf(port),
    ...(appProtocol ? { appProtocol } : {}),
  };
}

/** KEP-3726's names of what is spoken on a port. */
const kubernetesProtocols: Record<string, string> = {
  http: "http",
  https: "https",
  h2c: "kubernetes.io/h2c",
  ws: "kubernetes.io/ws",
};
