/** What a Kubernetes API server fills in for its own kinds, as far as clients of the sandbox see it. */
import { at, isObject, type JsonObject } from "../json.ts";

export function applyBuiltinDefaults(kind: string, object: JsonObject): void {
  const spec = isObject(object.spec) ? object.spec : undefined;
  if (kind === "Pod" && spec) podSpec(spec);
  if (kind === "ReplicaSet" && spec) {
    spec.replicas ??= 1;
    template(spec);
  }
  if (kind === "Deployment" && spec) deployment(spec);
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

function template(spec: JsonObject): void {
  const inner = at(spec, "template", "spec");
  if (isObject(inner)) podSpec(inner);
}

function podSpec(spec: JsonObject): void {
  defaults(spec, {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    schedulerName: "default-scheduler",
  });
  spec.securityContext ??= {};
  for (const container of [...objects(spec.containers), ...objects(spec.initContainers)]) {
    const image = String(container.image ?? "");
    const isLatest = !/[:@][^/]*$/.test(image) || image.endsWith(":latest");
    container.resources ??= {};
    defaults(container, {
      imagePullPolicy: isLatest ? "Always" : "IfNotPresent",
      terminationMessagePath: "/dev/termination-log",
      terminationMessagePolicy: "File",
    });
    for (const port of objects(container.ports)) port.protocol ??= "TCP";
    for (const probe of [container.readinessProbe, container.livenessProbe, container.startupProbe]) {
      if (isObject(probe)) {
        defaults(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
        if (isObject(probe.httpGet)) defaults(probe.httpGet, { path: "/", scheme: "HTTP" });
      }
    }
  }
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
