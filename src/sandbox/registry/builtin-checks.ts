/** Rules of Kubernetes' own kinds that no schema says, as far as the agent can meet them. */
import { at, equal, isObject, type JsonObject } from "../json.ts";
import { matchSelector } from "../selectors.ts";
import type { Cause } from "../status-error.ts";

export function builtinBreaches(kind: string, object: JsonObject, before: JsonObject | undefined): Cause[] {
  switch (kind) {
    case "Deployment":
    case "ReplicaSet":
      return [...selectorBreaches(object, before), ...containerBreaches(object, ["spec", "template", "spec"])];
    case "Pod":
      return containerBreaches(object, ["spec"]);
    case "ConfigMap":
    case "Secret":
      return immutableBreaches(kind, object, before);
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

function containerBreaches(object: JsonObject, path: readonly string[]): Cause[] {
  const containers = list(at(object, ...path, "containers"));
  const where = `${path.join(".")}.containers`;
  if (containers.length === 0) return [required(where)];
  const causes: Cause[] = [];
  const seen = new Set<unknown>();
  containers.forEach((container, i) => {
    if (!container.name) causes.push(required(`${where}[${i}].name`));
    if (!container.image) causes.push(required(`${where}[${i}].image`));
    if (seen.has(container.name)) {
      causes.push({
        reason: "FieldValueDuplicate",
        message: `Duplicate value: ${JSON.stringify(container.name)}`,
        field: `${where}[${i}].name`,
      });
    }
    seen.add(container.name);
    list(container.ports).forEach((port, j) => {
      const number = Number(port.containerPort);
      if (!(number >= 1 && number <= 65535)) {
        const message = `Invalid value: ${number}: must be between 1 and 65535, inclusive`;
        causes.push({ reason: "FieldValueInvalid", message, field: `${where}[${i}].ports[${j}].containerPort` });
      }
    });
  });
  return causes;
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

function required(field: string): Cause {
  return { reason: "FieldValueRequired", message: "Required value", field };
}

function cannotChange(field: string, value: unknown, why: string): Cause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field };
}
