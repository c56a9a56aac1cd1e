/** The scale subresource: one way to ask for replicas, whatever the kind. */
import { at, isObject, type JsonObject, put } from "../json.ts";
import type { KubeObject } from "../object.ts";
import type { Resource } from "../resource.ts";
import { badRequest, invalid, noSuchPath } from "../status-error.ts";

function fields(path: string): string[] {
  return path.split(".").filter(Boolean);
}

export function scaleOf(resource: Resource, object: KubeObject): KubeObject {
  const { scale } = resource;
  if (!scale) throw noSuchPath();
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = scale.labelSelectorPath ? at(object, ...fields(scale.labelSelectorPath)) : undefined;
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, ...(namespace ? { namespace } : {}), uid, resourceVersion, creationTimestamp },
    // A Scale leaves zero out.
    spec: { replicas: at(object, ...fields(scale.specReplicasPath)) || undefined },
    status: {
      replicas: at(object, ...fields(scale.statusReplicasPath)) ?? 0,
      ...(selector === undefined ? {} : { selector: selectorText(selector) }),
    },
  };
}

/** The object with the replicas that a Scale asks for, held to the Scale's resourceVersion when it names one. */
export function withScale(resource: Resource, object: KubeObject, scale: unknown): JsonObject {
  const replicas = at(scale, "spec", "replicas") ?? 0;
  if (!resource.scale) throw noSuchPath();
  if (typeof replicas !== "number" || !Number.isInteger(replicas))
    throw badRequest("spec.replicas of a Scale must be an integer");
  if (replicas < 0) {
    const message = `Invalid value: ${replicas}: must be greater than or equal to 0`;
    throw invalid({ group: "autoscaling", plural: "scales", kind: "Scale" }, object.metadata.name, [
      { reason: "FieldValueInvalid", message, field: "spec.replicas" },
    ]);
  }
  put(object, fields(resource.scale.specReplicasPath), replicas);
  const version = at(scale, "metadata", "resourceVersion");
  if (typeof version === "string" && version) object.metadata.resourceVersion = version;
  return object;
}

function selectorText(selector: unknown): string {
  if (typeof selector === "string") return selector;
  const labels = at(selector, "matchLabels");
  return isObject(labels)
    ? Object.entries(labels)
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(",")
    : "";
}
