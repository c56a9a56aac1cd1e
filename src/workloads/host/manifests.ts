/** What a Workload stands for: a Deployment, a Service and a NetworkPolicy. Pure: what is equal gives equal manifests. */
import { createHash } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import type { AppPort } from "../../gen/fairlead/resources/v1alpha1/container_pb.ts";
import { ResourceRequirementsSchema } from "../../gen/fairlead/resources/v1alpha1/container_pb.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Draft, JsonObject } from "../../kube/object.ts";
import { isJsonObject } from "../../kube/object.ts";
import type { Deployment, NetworkPolicy, Service, Workload } from "../../kube/resources.ts";
import { networkPolicyFor } from "../../policy/enforcement.ts";
import { annotations, labels } from "./names.ts";

/** What of a Workload is to run now, and how the peer's policy wants it to run. */
export interface Plan {
  /** What was admitted, which is not what is asked for while a change is held or denied. */
  readonly app: RemoteAppSpec;
  /** 0 for an app that is stopped. */
  readonly replicas: number;
  /** The Pod Security level of the namespace, which the pods have to meet. */
  readonly podSecurity: "baseline" | "restricted";
  /** Labels of the nodes that the pods may run on; all when there are none. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Whether a rollout may run one pod more than the app has: not where the quota has no room for it. */
  readonly surge: boolean;
}

/** The name of the one container of an app's pods. */
export const containerName = "app";

/** What kube-apiserver assumes when a Deployment does not say. */
const defaultProgressDeadlineSeconds = 600;

export function selectorOf(workload: Workload): { [label: string]: string } {
  return { [labels.workload]: workload.metadata.name ?? "" };
}

export function deploymentFor(workload: Workload, plan: Plan): Draft<Deployment> {
  const pod = podFor(plan);
  return {
    metadata: metadataFor(workload),
    spec: {
      replicas: plan.replicas,
      progressDeadlineSeconds: plan.app.progressDeadlineSeconds ?? defaultProgressDeadlineSeconds,
      revisionHistoryLimit: 2,
      strategy: { type: "RollingUpdate", rollingUpdate: plan.surge ? ordinaryRollout : rolloutInPlace },
      selector: { matchLabels: selectorOf(workload) },
      template: {
        metadata: { labels: labelsFor(workload), annotations: { [annotations.template]: hashOf(pod) } },
        spec: pod,
      },
    },
  };
}

/** As kube-apiserver has it when a Deployment does not say. */
const ordinaryRollout = { maxSurge: "25%", maxUnavailable: "25%" };
/** One pod goes before its successor comes, so that there is never one more than the quota holds. */
const rolloutInPlace = { maxSurge: 0, maxUnavailable: 1 };

/** Which pods are made from the present plan: those with this value of the annotation `template`. */
export function templateOf(plan: Plan): string {
  return hashOf(podFor(plan));
}

function hashOf(pod: object): string {
  return createHash("sha256").update(JSON.stringify(pod)).digest("hex").slice(0, 16);
}

function podFor({ app, podSecurity, nodeSelector }: Plan) {
  const resources = app.resources ? plain(toJson(ResourceRequirementsSchema, app.resources)) : undefined;
  const isRestricted = podSecurity === "restricted";
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(Object.keys(nodeSelector).length > 0 ? { nodeSelector: { ...nodeSelector } } : {}),
    securityContext: { ...(isRestricted ? { runAsNonRoot: true } : {}), seccompProfile: { type: "RuntimeDefault" } },
    containers: [
      {
        name: containerName,
        image: app.image ?? "",
        ...(app.imagePullPolicy ? { imagePullPolicy: app.imagePullPolicy } : {}),
        ...(app.command.length ? { command: [...app.command] } : {}),
        ...(app.args.length ? { args: [...app.args] } : {}),
        ...(app.env.length ? { env: app.env.map(({ name = "", value = "" }) => ({ name, value })) } : {}),
        ...(app.ports.length ? { ports: app.ports.map(containerPort) } : {}),
        ...(resources ? { resources } : {}),
        ...(isRestricted ? { securityContext: unprivileged } : {}),
      },
    ],
  };
}

/** What the level "restricted" asks of each container. Under "baseline" it would break images that run as root. */
const unprivileged = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };

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

/** What a port is called in the Service: as in the spec, or by protocol and number. */
export function portName(port: AppPort): string {
  return port.name ?? `${port.appProtocol ?? "http"}-${port.containerPort}`;
}

function metadataFor(workload: Workload): Draft<Deployment>["metadata"] {
  const { name = "", namespace = "", uid = "" } = workload.metadata;
  const owner = {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "Workload",
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
  return { name, namespace, labels: labelsFor(workload), ownerReferences: [owner] };
}

function labelsFor(workload: Workload): { [label: string]: string } {
  return {
    [labels.managedBy]: "fairlead",
    [labels.peer]: workload.spec.origin?.peer ?? "",
    ...selectorOf(workload),
  };
}

function containerPort(port: AppPort): { name: string; containerPort: number; protocol: string } {
  return { name: portName(port), containerPort: port.containerPort ?? 0, protocol: transportOf(port) };
}

function servicePort(port: AppPort) {
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

function transportOf(port: AppPort): "TCP" | "UDP" {
  return port.appProtocol === "udp" ? "UDP" : "TCP";
}

/** Quantities reach Kubernetes as they were written: whole numbers or texts. */
function plain(json: unknown): { limits?: { [name: string]: string }; requests?: { [name: string]: string } } {
  const texts = (part: unknown): { [name: string]: string } | undefined =>
    isJsonObject(part)
      ? Object.fromEntries(Object.entries(part).map(([name, value]) => [name, String(value)]))
      : undefined;
  const { limits, requests }: JsonObject = isJsonObject(json) ? json : {};
  const [limited, requested] = [texts(limits), texts(requests)];
  return { ...(limited ? { limits: limited } : {}), ...(requested ? { requests: requested } : {}) };
}
