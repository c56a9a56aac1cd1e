/** What Kubernetes' controllers do with Deployments and StatefulSets, as far as stories need it. */
import { isDeepStrictEqual } from "node:util";
import { isJsonObject, type JsonValue, keyOf, type ObjectRef } from "../../src/kube/object.ts";
import { type Change, type Meta, map, type Stored } from "./cluster-watch.ts";

interface Store {
  readonly objects: ReadonlyMap<string, Stored>;
  store(plural: string, object: Stored, type: Change["type"]): Stored;
  born(ref: ObjectRef): Meta;
}

/** Makes the pods of an object and tells how many are ready: all, unless an image is called "missing". */
export function control({ objects, store, born }: Store, key: string): void {
  const plural = key.slice(0, key.indexOf("/"));
  if (plural !== "deployments" && plural !== "statefulsets") return;
  const controller = objects.get(key);
  if (!controller || controller.metadata.deletionTimestamp) return;
  const { namespace, name, uid, generation } = controller.metadata;
  const at = (kind: string, ref: ObjectRef): string => `${kind}/${keyOf(ref)}`;
  const spec = controller.spec ?? {};
  const wanted = typeof spec.replicas === "number" ? spec.replicas : 1;
  const isMissing = JSON.stringify(spec.template).includes('"image":"missing"');
  const conditions = [{ type: "Ready", status: isMissing ? "False" : "True" }];
  const state = isMissing
    ? { waiting: { reason: "ErrImagePull", message: "not found" } }
    : { running: { startedAt: "2026-01-01T00:00:00Z" } };
  const podStatus = { phase: "Running", conditions, containerStatuses: [{ name: "app", restartCount: 0, state }] };
  for (let index = 0; index < wanted; index += 1) {
    const ref = { namespace, name: `${name}-${index}` };
    for (const claim of templatesIn(spec.volumeClaimTemplates)) {
      const named = { namespace, name: `${claim.metadata.name}-${ref.name}` };
      if (objects.has(at("persistentvolumeclaims", named))) continue;
      store("persistentvolumeclaims", { ...claim, metadata: { ...claim.metadata, ...born(named) } }, "ADDED");
    }
    const pod = objects.get(at("pods", ref));
    const isCurrent = isDeepStrictEqual(pod?.metadata.annotations, annotationsOf(spec.template));
    const isOwned = pod?.metadata.ownerReferences?.some((owner) => owner.uid === uid);
    if (pod && isCurrent && isOwned && isDeepStrictEqual(pod.status, podStatus)) continue;
    if (pod && !isCurrent) store("pods", structuredClone(pod), "DELETED");
    if (pod && isCurrent) {
      const metadata = { ...pod.metadata, ownerReferences: [{ uid }] };
      store("pods", { ...structuredClone(pod), metadata, status: structuredClone(podStatus) }, "MODIFIED");
    } else {
      const metadata = {
        ...born(ref),
        labels: controller.metadata.labels ?? {},
        annotations: annotationsOf(spec.template),
        ownerReferences: [{ uid }],
      };
      store("pods", { metadata, status: structuredClone(podStatus) }, "ADDED");
    }
  }
  for (const pod of [...objects.values()]) {
    const index = Number(pod.metadata.name.slice(name.length + 1));
    const isOurs =
      pod.metadata.ownerReferences?.some((owner) => owner.uid === uid) && pod.metadata.name.startsWith(`${name}-`);
    if (isOurs && index >= wanted) store("pods", structuredClone(pod), "DELETED");
  }
  const ready = isMissing ? 0 : wanted;
  const status = {
    observedGeneration: generation,
    replicas: wanted,
    updatedReplicas: wanted,
    readyReplicas: ready,
    availableReplicas: ready,
  };
  if (!isDeepStrictEqual(controller.status, status)) {
    store(plural, { ...structuredClone(controller), status }, "MODIFIED");
  }
}

function templatesIn(templates: JsonValue | undefined): Stored[] {
  const claims: Stored[] = JSON.parse(JSON.stringify(templates ?? []));
  return claims;
}

function annotationsOf(template: unknown): { [name: string]: string } {
  const metadata = isJsonObject(template) && isJsonObject(template.metadata) ? template.metadata : {};
  return map(metadata.annotations);
}
