/** Rules of Kubernetes' own kinds that no schema says, as far as the agent can meet them. */
import { parseSchedule } from "../controllers/schedule.ts";
import { at, equal, isObject, type JsonObject } from "../json.ts";
import { matchSelector } from "../selectors.ts";
import type { Cause } from "../status-error.ts";
import { cannotChange, required } from "./breaches.ts";
import { containerBreaches, restartBreaches } from "./pod-checks.ts";

export function builtinBreaches(kind: string, object: JsonObject, before: JsonObject | undefined): Cause[] {
  switch (kind) {
    case "Deployment":
    case "ReplicaSet":
      return [
        ...selectorBreaches(object, before),
        ...restartBreaches(object, ["spec", "template", "spec"], ["Always"]),
        ...containerBreaches(object, ["spec", "template", "spec"]),
      ];
    case "StatefulSet":
      return [
        ...selectorBreaches(object, before),
        ...containerBreaches(object, ["spec", "template", "spec"]),
        ...statefulSetBreaches(object, before),
      ];
    case "Job":
      return [...jobBreaches(object, before), ...containerBreaches(object, ["spec", "template", "spec"])];
    case "CronJob":
      return cronJobBreaches(object);
    case "PersistentVolumeClaim":
      return claimBreaches(object, before);
    case "Pod":
      return containerBreaches(object, ["spec"]);
    case "ConfigMap":
    case "Secret":
      return immutableBreaches(kind, object, before);
    case "ControllerRevision":
      return revisionBreaches(object, before);
    case "RoleBinding":
      return before && !equal(object.roleRef, before.roleRef)
        ? [cannotChange("roleRef", object.roleRef, "cannot change roleRef")]
        : [];
    case "ResourceQuota":
      return scopeBreaches(object, before);
    case "Service":
      return servicePortBreaches(object);
    default:
      return [];
  }
}

function revisionBreaches(object: JsonObject, before: JsonObject | undefined): Cause[] {
  if (!isObject(object.data)) return [required("data")];
  if (before && !equal(object.data, before.data)) return [cannotChange("data", object.data, "field is immutable")];
  return [];
}

function list(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function selectorBreaches(object: JsonObject, before: JsonObject | undefined): Cause[] {
  const selector = at(object, "spec", "selector");
  if (!isObject(selector)) return [required("spec.selector")];
  if (before && !equal(selector, at(before, "spec", "selector"))) {
    return [cannotChange("spec.selector", selector, "field is immutable")];
  }
  const labels = at(object, "spec", "template", "metadata", "labels");
  const strings = isObject(labels) ? Object.fromEntries(Object.entries(labels).map(([k, v]) => [k, String(v)])) : {};
  if (matchSelector(selector)(strings)) return [];
  const message = `Invalid value: ${JSON.stringify(strings)}: \`selector\` does not match template \`labels\``;
  return [{ reason: "FieldValueInvalid", message, field: "spec.template.metadata.labels" }];
}

function scopeBreaches(object: JsonObject, before: JsonObject | undefined): Cause[] {
  const scopes = (quota: JsonObject): unknown => at(quota, "spec", "scopes") ?? [];
  if (!before || equal(scopes(object), scopes(before))) return [];
  return [cannotChange("spec.scopes", at(object, "spec", "scopes") ?? [], "field is immutable")];
}

function servicePortBreaches(object: JsonObject): Cause[] {
  if (at(object, "spec", "clusterIP") === "None" || at(object, "spec", "type") === "ExternalName") return [];
  const ports = list(at(object, "spec", "ports"));
  if (ports.length === 0) return [required("spec.ports")];
  if (ports.length === 1) return [];
  return ports.flatMap((port, i) => (port.name ? [] : [required(`spec.ports[${i}].name`)]));
}

function immutableBreaches(kind: string, object: JsonObject, before: JsonObject | undefined): Cause[] {
  if (!before) return [];
  const causes: Cause[] = [];
  if (kind === "Secret" && object.type !== before.type)
    causes.push(cannotChange("type", object.type, "field is immutable"));
  if (before.immutable === true) {
    for (const field of ["immutable", "data", "binaryData"]) {
      if (!equal(object[field], before[field])) {
        causes.push({
          reason: "FieldValueForbidden",
          message: `Forbidden: field is immutable when \`immutable\` is set`,
          field,
        });
      }
    }
  }
  return causes;
}

/** What may change of a StatefulSet; all else of its spec may not. */
const changeable = [
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
];

function statefulSetBreaches(object: JsonObject, before: JsonObject | undefined): Cause[] {
  const causes = restartBreaches(object, ["spec", "template", "spec"], ["Always"]);
  const fixed = (from: JsonObject): unknown =>
    Object.fromEntries(
      Object.entries(isObject(from.spec) ? from.spec : {}).filter(([key]) => !changeable.includes(key)),
    );
  if (before && !equal(fixed(object), fixed(before))) {
    const allowed = `${changeable
      .slice(0, -1)
      .map((field) => `'${field}'`)
      .join(", ")} and 'minReadySeconds'`;
    const message = `Forbidden: updates to statefulset spec for fields other than ${allowed} are forbidden`;
    causes.push({ reason: "FieldValueForbidden", message, field: "spec" });
  }
  return causes;
}

function jobBreaches(object: JsonObject, before: JsonObject | undefined): Cause[] {
  const causes = restartBreaches(object, ["spec", "template", "spec"], ["OnFailure", "Never"]);
  if (!before) return causes;
  for (const field of ["completions", "selector", "template", "completionMode"]) {
    const now = at(object, "spec", field);
    if (!equal(now, at(before, "spec", field))) causes.push(cannotChange(`spec.${field}`, now, "field is immutable"));
  }
  return causes;
}

function cronJobBreaches(object: JsonObject): Cause[] {
  const path = ["spec", "jobTemplate", "spec", "template", "spec"];
  const causes = [...restartBreaches(object, path, ["OnFailure", "Never"]), ...containerBreaches(object, path)];
  const [schedule, zone] = [at(object, "spec", "schedule"), at(object, "spec", "timeZone")];
  try {
    parseSchedule(String(schedule ?? ""), typeof zone === "string" ? zone : undefined);
  } catch (error) {
    const message = `Invalid value: ${JSON.stringify(schedule)}: ${error instanceof Error ? error.message : String(error)}`;
    causes.push({ reason: "FieldValueInvalid", message, field: "spec.schedule" });
  }
  return causes;
}

/** A claim may be given its volume, and may ask for more room; nothing else of it changes. */
function claimBreaches(object: JsonObject, before: JsonObject | undefined): Cause[] {
  const requested = (claim: JsonObject): unknown => at(claim, "spec", "resources", "requests", "storage");
  if (requested(object) === undefined) return [required("spec.resources[storage]")];
  if (!before) return [];
  const fixed = (claim: JsonObject): unknown => {
    const {
      volumeName: _v,
      resources: _r,
      volumeAttributesClassName: _a,
      ...rest
    } = isObject(claim.spec) ? claim.spec : {};
    return rest;
  };
  if (equal(fixed(object), fixed(before))) return [];
  const message =
    "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
  return [{ reason: "FieldValueForbidden", message, field: "spec" }];
}
