import { createHash } from "node:crypto";
import { at, isObject, type JsonObject, put } from "../json.ts";
import type { Resource } from "../resource.ts";
import type { Store } from "../store.ts";

/** What an API server writes into a new object of its own kinds, in place. */
export function prepareNew(resource: Resource, object: JsonObject, o: { store: Store; nowMs: number }): void {
  if (resource.custom) return;
  const spec = isObject(object.spec) ? object.spec : undefined;
  switch (resource.kind) {
    case "Namespace":
      object.spec = { finalizers: ["kubernetes"] };
      object.status = { phase: "Active" };
      return;
    case "Pod":
      object.status = { phase: "Pending", qosClass: qosClass(object) };
      return;
    case "Deployment":
    case "ReplicaSet":
      object.status = resource.kind === "ReplicaSet" ? { replicas: 0 } : {};
      return;
    case "StatefulSet":
      object.status = { replicas: 0, availableReplicas: 0 };
      return;
    case "PersistentVolumeClaim":
      if (isObject(object.metadata)) object.metadata.finalizers = ["kubernetes.io/pvc-protection"];
      if (spec) spec.storageClassName ??= "standard";
      object.status = { phase: "Pending" };
      return;
    case "Job":
      if (spec) followOwnPods(object, spec);
      object.status = {};
      return;
    case "CronJob":
      object.status = {};
      return;
    case "Service":
      object.status = { loadBalancer: {} };
      if (spec && spec.type !== "ExternalName") {
        spec.clusterIP ||= freeClusterIp(
          o.store,
          `${String(at(object, "metadata", "namespace"))}/${String(at(object, "metadata", "name"))}`,
        );
        spec.clusterIPs ??= [spec.clusterIP];
      }
      return;
    default:
  }
}

/** A Job finds its pods by its own UID, which nobody else's pods carry. */
function followOwnPods(job: JsonObject, spec: JsonObject): void {
  if (spec.manualSelector === true || spec.selector !== undefined) return;
  const { uid, name } = isObject(job.metadata) ? job.metadata : {};
  spec.selector = { matchLabels: { "batch.kubernetes.io/controller-uid": uid } };
  const labels = {
    "batch.kubernetes.io/controller-uid": uid,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "job-name": name,
  };
  const given = at(spec, "template", "metadata", "labels");
  put(spec, ["template", "metadata", "labels"], { ...(isObject(given) ? given : {}), ...labels });
}

/** An address that looks like a cluster's and leads nowhere: Services are reached through their pods. */
function freeClusterIp(store: Store, seed: string): string {
  const taken = new Set(store.list("/services").map((service) => at(service, "spec", "clusterIP")));
  for (let attempt = 0; ; attempt++) {
    const [a = 0, b = 0] = createHash("sha256").update(`${seed}/${attempt}`).digest();
    const ip = `10.96.${a}.${b}`;
    if (!taken.has(ip)) return ip;
  }
}

function qosClass(pod: JsonObject): string {
  const containers = at(pod, "spec", "containers");
  const resources = (Array.isArray(containers) ? containers : []).map((container) => at(container, "resources"));
  const has = (field: string): boolean =>
    resources.some((r) => isObject(at(r, field)) && Object.keys(at(r, field) as object).length > 0);
  if (!has("requests") && !has("limits")) return "BestEffort";
  const guaranteed = resources.every((r) =>
    ["cpu", "memory"].every((unit) => {
      const limit = at(r, "limits", unit);
      return limit !== undefined && (at(r, "requests", unit) ?? limit) === limit;
    }),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}
