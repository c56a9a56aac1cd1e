/** All containers of an app's pods, in Kubernetes' own shape. Pure. */
import { toJson } from "@bufbuild/protobuf";
import {
  type AppPort,
  type EnvVar,
  type ResourceRequirements,
  ResourceRequirementsSchema,
} from "../../gen/fairlead/resources/v1alpha1/container_pb.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../../kube/object.ts";

/** The name of the app's own container in its pods. */
export const containerName = "app";

export interface AppContainer {
  readonly json: JsonObject;
  /** Where it stands in the spec; empty for the app's own, whose fields are those of the spec. */
  readonly path: string;
  readonly isInit: boolean;
}

/** The app's own first, then those beside it, then those before it. */
export function containersOf(app: RemoteAppSpec): AppContainer[] {
  return [
    { json: ownContainer(app), path: "", isInit: false },
    ...app.containers.map((json, index) => ({ json, path: `containers[${index}]`, isInit: false })),
    ...app.initContainers.map((json, index) => ({ json, path: `initContainers[${index}]`, isInit: true })),
  ];
}

function ownContainer(app: RemoteAppSpec): JsonObject {
  const { workingDir, startupProbe, readinessProbe, livenessProbe, lifecycle, securityContext } = app;
  const rest = { workingDir, startupProbe, readinessProbe, livenessProbe, lifecycle, securityContext };
  return {
    name: containerName,
    image: app.image ?? "",
    ...(app.imagePullPolicy ? { imagePullPolicy: app.imagePullPolicy } : {}),
    ...(app.command.length ? { command: [...app.command] } : {}),
    ...(app.args.length ? { args: [...app.args] } : {}),
    ...(app.env.length ? { env: app.env.map(variable) } : {}),
    ...(app.ports.length ? { ports: app.ports.map(containerPort) } : {}),
    ...(app.resources ? { resources: plain(app.resources) } : {}),
    ...(app.envFrom.length ? { envFrom: [...app.envFrom] } : {}),
    ...(app.volumeMounts.length ? { volumeMounts: [...app.volumeMounts] } : {}),
    ...present(rest),
  };
}

function variable({ name = "", value = "", valueFrom }: EnvVar): JsonObject {
  return valueFrom ? { name, valueFrom } : { name, value };
}

/** What a port is called in the pod and in the Service: as in the spec, or by protocol and number. */
export function portName(port: AppPort): string {
  return port.name ?? `${port.appProtocol ?? "http"}-${port.containerPort}`;
}

export function transportOf(port: AppPort): "TCP" | "UDP" {
  return port.appProtocol === "udp" ? "UDP" : "TCP";
}

function containerPort(port: AppPort): JsonObject {
  return { name: portName(port), containerPort: port.containerPort ?? 0, protocol: transportOf(port) };
}

/** Quantities reach Kubernetes as they were written: whole numbers or texts. What is neither is refused before. */
function plain(resources: ResourceRequirements): JsonObject {
  const texts = (part: JsonValue | undefined): JsonObject | undefined =>
    isJsonObject(part)
      ? Object.fromEntries(
          Object.entries(part).map(([name, value]) => [name, typeof value === "number" ? String(value) : value]),
        )
      : undefined;
  const json = toJson(ResourceRequirementsSchema, resources);
  const { limits, requests } = isJsonObject(json) ? json : {};
  return present({ limits: texts(limits), requests: texts(requests) });
}

/** Without what is not given. */
export function present(fields: { readonly [name: string]: JsonValue | undefined }): JsonObject {
  const given = Object.entries(fields).flatMap(([name, value]): [string, JsonValue][] =>
    value === undefined ? [] : [[name, value]],
  );
  return Object.fromEntries(given);
}
