/** The Deployment and the Service that a Workload stands for. Pure: equal Workloads give equal manifests. */
import { createHash } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import type { AppPort } from "../../gen/fairlead/resources/v1alpha1/container_pb.ts";
import { ResourceRequirementsSchema } from "../../gen/fairlead/resources/v1alpha1/container_pb.ts";
import type { Draft, JsonObject } from "../../kube/object.ts";
import { isJsonObject } from "../../kube/object.ts";
import type { Deployment, Service, Workload } from "../../kube/resources.ts";
import { annotations, labels } from "./names.ts";

/** The name of the one container of an app's pods. */
export const containerName = "app";

/** What kube-apiserver assumes when a Deployment does not say. */
const defaultProgressDeadlineSeconds = 600;

export function selectorOf(workload: Workload): { [label: string]: string } {
  return { [labels.workload]: workload.metadata.name ?? "" };
}

export function deploymentFor(workload: Workload): Draft<Deployment> {
  const app = workload.spec.app;
  const pod = podFor(workload);
  return {
    metadata: metadataFor(workload),
    spec: {
      replicas: app?.replicas ?? 1,
      progressDeadlineSeconds: app?.progressDeadlineSeconds ?? defaultProgressDeadlineSeconds,
      revisionHistoryLimit: 2,
      selector: { matchLabels: selectorOf(workload) },
      template: {
        metadata: { labels: labelsFor(workload), annotations: { [annotations.template]: hashOf(pod) } },
        spec: pod,
      },
    },
  };
}

/** Which of the Workload's pods are made from its present spec: those with this value of the annotation `template`. */
export function templateOf(workload: Workload): string {
  return hashOf(podFor(workload));
}

function hashOf(pod: object): string {
  return createHash("sha256").update(JSON.stringify(pod)).digest("hex").slice(0, 16);
}

function podFor(workload: Workload) {
  const app = workload.spec.app;
  const resources = app?.resources ? plain(toJson(ResourceRequirementsSchema, app.resources)) : undefined;
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    containers: [
      {
        name: containerName,
        image: app?.image ?? "",
        ...(app?.imagePullPolicy ? { imagePullPolicy: app.imagePullPolicy } : {}),
        ...(app?.command.length ? { command: [...app.command] } : {}),
        ...(app?.args.length ? { args: [...app.args] } : {}),
        ...(app?.env.length ? { env: app.env.map(({ name = "", value = "" }) => ({ name, value })) } : {}),
        ...(app?.ports.length ? { ports: app.ports.map(containerPort) } : {}),
        ...(resources ? { resources } : {}),
      },
    ],
  };
}

/** Undefined for an app without ports: Kubernetes has no Service without one. */
export function serviceFor(workload: Workload): Draft<Service> | undefined {
  const ports = workload.spec.app?.ports ?? [];
  if (ports.length === 0) return undefined;
  return {
    metadata: metadataFor(workload),
    spec: { type: "ClusterIP", selector: selectorOf(workload), ports: ports.map(servicePort) },
  };
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
