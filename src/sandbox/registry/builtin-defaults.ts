/** What a Kubernetes API server fills in for its own kinds, as far as clients of the sandbox see it. */

import { at, isObject, type JsonObject } from "../json.ts";
import { podSpec, requestLimits } from "./pod-defaults.ts";

export function applyBuiltinDefaults(kind: string, object: JsonObject): void {
  const spec = isObject(object.spec) ? object.spec : undefined;
  if (kind === "Pod" && spec) {
    podSpec(spec);
    requestLimits(spec);
  }
  if (kind === "ReplicaSet" && spec) {
    spec.replicas ??= 1;
    template(spec);
  }
  if (kind === "Deployment" && spec) deployment(spec);
  if (kind === "StatefulSet" && spec) statefulSet(spec);
  if (kind === "Job" && spec) job(spec);
  if (kind === "CronJob" && spec) cronJob(spec);
  if (kind === "PersistentVolumeClaim" && spec) spec.volumeMode ??= "Filesystem";
  if (kind === "Service" && spec) service(spec);
  if (kind === "Secret") secret(object);
  if (kind === "RoleBinding") roleBinding(object);
  if (kind === "Namespace") {
    const metadata = isObject(object.metadata) ? object.metadata : {};
    const labels = isObject(metadata.labels) ? metadata.labels : {};
    metadata.labels = { ...labels, "kubernetes.io/metadata.name": metadata.name };
  }
  if (kind === "NetworkPolicy" && spec) {
    spec.policyTypes ??= spec.egress ? ["Ingress", "Egress"] : ["Ingress"];
  }
}

function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function defaults(target: JsonObject, values: JsonObject): void {
  for (const [key, value] of Object.entries(values)) target[key] ??= value;
}

function deployment(spec: JsonObject): void {
  defaults(spec, { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 });
  const strategy = isObject(spec.strategy) ? spec.strategy : {};
  spec.strategy = strategy;
  strategy.type ??= "RollingUpdate";
  if (strategy.type === "RollingUpdate") {
    const rolling = isObject(strategy.rollingUpdate) ? strategy.rollingUpdate : {};
    defaults(rolling, { maxSurge: "25%", maxUnavailable: "25%" });
    strategy.rollingUpdate = rolling;
  }
  template(spec);
}

function statefulSet(spec: JsonObject): void {
  defaults(spec, { replicas: 1, revisionHistoryLimit: 10, podManagementPolicy: "OrderedReady" });
  const strategy = isObject(spec.updateStrategy) ? spec.updateStrategy : {};
  spec.updateStrategy = strategy;
  strategy.type ??= "RollingUpdate";
  if (strategy.type === "RollingUpdate") {
    const rolling = isObject(strategy.rollingUpdate) ? strategy.rollingUpdate : {};
    strategy.rollingUpdate = rolling;
    rolling.partition ??= 0;
  }
  const retention = isObject(spec.persistentVolumeClaimRetentionPolicy)
    ? spec.persistentVolumeClaimRetentionPolicy
    : {};
  spec.persistentVolumeClaimRetentionPolicy = retention;
  defaults(retention, { whenDeleted: "Retain", whenScaled: "Retain" });
  template(spec);
  for (const claim of objects(spec.volumeClaimTemplates)) {
    defaults(claim, { apiVersion: "v1", kind: "PersistentVolumeClaim" });
    if (isObject(claim.spec)) claim.spec.volumeMode ??= "Filesystem";
    claim.status ??= { phase: "Pending" };
  }
}

function job(spec: JsonObject): void {
  // Without a number of completions the pods decide together when the work is done.
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  defaults(spec, {
    parallelism: 1,
    completionMode: "NonIndexed",
    suspend: false,
    manualSelector: false,
    podReplacementPolicy: "TerminatingOrFailed",
    backoffLimit: spec.backoffLimitPerIndex === undefined ? 6 : 2_147_483_647,
  });
  template(spec);
}

function cronJob(spec: JsonObject): void {
  defaults(spec, {
    concurrencyPolicy: "Allow",
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
  });
  const jobSpec = at(spec, "jobTemplate", "spec");
  if (isObject(jobSpec)) template(jobSpec);
}

function template(spec: JsonObject): void {
  const inner = at(spec, "template", "spec");
  if (isObject(inner)) podSpec(inner);
}

function service(spec: JsonObject): void {
  defaults(spec, { type: "ClusterIP", sessionAffinity: "None", internalTrafficPolicy: "Cluster" });
  if (spec.type !== "ExternalName") defaults(spec, { ipFamilyPolicy: "SingleStack" });
  spec.ipFamilies ??= ["IPv4"];
  for (const port of objects(spec.ports)) defaults(port, { protocol: "TCP", targetPort: port.port });
}

function secret(object: JsonObject): void {
  object.type ??= "Opaque";
  const { stringData } = object;
  if (isObject(stringData)) {
    const encoded = Object.entries(stringData).map(([key, text]) => [
      key,
      Buffer.from(String(text)).toString("base64"),
    ]);
    object.data = { ...(isObject(object.data) ? object.data : {}), ...Object.fromEntries(encoded) };
    delete object.stringData;
  }
}

function roleBinding(object: JsonObject): void {
  if (isObject(object.roleRef)) object.roleRef.apiGroup ??= "rbac.authorization.k8s.io";
  for (const subject of objects(object.subjects)) {
    if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ??= "rbac.authorization.k8s.io";
  }
}
