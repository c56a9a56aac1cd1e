/** What a Kubernetes API server fills in for a pod, or for the template of one, in place. */
import { isObject, type JsonObject } from "../json.ts";

export function podSpec(spec: JsonObject): void {
  defaults(spec, {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
  });
  spec.securityContext ??= {};
  for (const volume of objects(spec.volumes)) volumeDefaults(volume);
  for (const container of [...objects(spec.containers), ...objects(spec.initContainers)]) containerDefaults(container);
}

/** A pod that limits what it takes asks for as much, unless it says otherwise. Templates are left as they are. */
export function requestLimits(spec: JsonObject): void {
  for (const { resources } of [...objects(spec.containers), ...objects(spec.initContainers)]) {
    if (!isObject(resources) || !isObject(resources.limits)) continue;
    resources.requests = { ...resources.limits, ...(isObject(resources.requests) ? resources.requests : {}) };
  }
}

function volumeDefaults(volume: JsonObject): void {
  for (const source of [volume.configMap, volume.secret, volume.projected, volume.downwardAPI]) {
    if (isObject(source)) source.defaultMode ??= 0o644;
  }
  const downward = isObject(volume.downwardAPI) ? [volume.downwardAPI] : [];
  if (isObject(volume.projected)) {
    for (const { serviceAccountToken, downwardAPI } of objects(volume.projected.sources)) {
      if (isObject(serviceAccountToken)) serviceAccountToken.expirationSeconds ??= 3600;
      if (isObject(downwardAPI)) downward.push(downwardAPI);
    }
  }
  for (const { items } of downward)
    for (const { fieldRef } of objects(items)) if (isObject(fieldRef)) fieldRef.apiVersion ??= "v1";
  if (Object.keys(volume).every((key) => key === "name")) volume.emptyDir = {};
}

function containerDefaults(container: JsonObject): void {
  const image = String(container.image ?? "");
  const isLatest = !/[:@][^/]*$/.test(image) || image.endsWith(":latest");
  container.resources ??= {};
  defaults(container, {
    imagePullPolicy: isLatest ? "Always" : "IfNotPresent",
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
  });
  for (const port of objects(container.ports)) port.protocol ??= "TCP";
  for (const { valueFrom } of objects(container.env)) {
    if (!isObject(valueFrom)) continue;
    if (isObject(valueFrom.fieldRef)) valueFrom.fieldRef.apiVersion ??= "v1";
    if (isObject(valueFrom.resourceFieldRef)) valueFrom.resourceFieldRef.divisor ??= "0";
  }
  for (const probe of [container.readinessProbe, container.livenessProbe, container.startupProbe]) {
    if (!isObject(probe)) continue;
    defaults(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
    handlerDefaults(probe);
    if (isObject(probe.grpc)) probe.grpc.service ??= "";
  }
  const lifecycle = isObject(container.lifecycle) ? container.lifecycle : {};
  for (const hook of [lifecycle.postStart, lifecycle.preStop]) if (isObject(hook)) handlerDefaults(hook);
}

function handlerDefaults({ httpGet }: JsonObject): void {
  if (isObject(httpGet)) defaults(httpGet, { path: "/", scheme: "HTTP" });
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function defaults(target: JsonObject, values: JsonObject): void {
  for (const [key, value] of Object.entries(values)) target[key] ??= value;
}
