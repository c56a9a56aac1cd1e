/**
 * Strategic merge patch, which `kubectl apply`, `edit` and `label` send for Kubernetes' own kinds: a merge patch in
 * which lists with a merge key merge item by item. Directives: `$patch`, `$retainKeys`, `$deleteFromPrimitiveList`;
 * `$setElementOrder` is read and only said to be a hint.
 */
import { canonical, isObject, type JsonObject } from "../json.ts";
import { anything, fieldSchema, type Schema } from "../schema/schema.ts";

export function strategicMerge(target: unknown, patch: unknown, schema: Schema): unknown {
  if (!isObject(patch)) return patch;
  if (patch.$patch === "replace") return withoutDirectives(patch);
  if (patch.$patch === "delete") return {};
  const merged: JsonObject = isObject(target) ? { ...target } : {};
  const retained = patch.$retainKeys;
  if (Array.isArray(retained)) {
    for (const key of Object.keys(merged)) if (!retained.includes(key)) delete merged[key];
  }
  for (const [key, value] of Object.entries(patch)) {
    const removal = /^\$deleteFromPrimitiveList\/(.+)$/.exec(key)?.[1];
    if (removal !== undefined) {
      const gone = new Set(Array.isArray(value) ? value.map(canonical) : []);
      const list = merged[removal];
      if (Array.isArray(list)) merged[removal] = list.filter((item) => !gone.has(canonical(item)));
    } else if (!key.startsWith("$")) {
      if (value === null) delete merged[key];
      else merged[key] = mergeField(merged[key], value, fieldSchema(schema, key) ?? anything);
    }
  }
  return merged;
}

function mergeField(target: unknown, patch: unknown, schema: Schema): unknown {
  if (!Array.isArray(patch)) return strategicMerge(target, patch, schema);
  if (!schema["x-kubernetes-patch-strategy"]?.includes("merge")) return patch.map(withoutDirectives);
  const key = schema["x-kubernetes-patch-merge-key"];
  const existing: unknown[] = Array.isArray(target) ? target : [];
  if (!key) {
    const known = new Set(existing.map(canonical));
    return [...existing, ...patch.filter((item) => !known.has(canonical(item)))];
  }
  if (patch.some((item) => isObject(item) && item.$patch === "replace")) {
    return patch.filter((item) => !(isObject(item) && item.$patch === "replace")).map(withoutDirectives);
  }
  const merged = [...existing];
  for (const item of patch) {
    const identity = isObject(item) ? item[key] : undefined;
    const index = merged.findIndex((candidate) => isObject(candidate) && candidate[key] === identity);
    const isRemoval = isObject(item) && item.$patch === "delete";
    if (isRemoval && index >= 0) merged.splice(index, 1);
    else if (!isRemoval && index >= 0) merged[index] = strategicMerge(merged[index], item, schema.items ?? anything);
    else if (!isRemoval) merged.push(withoutDirectives(item));
  }
  return merged;
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([key, field]) => !key.startsWith("$") && field !== null);
  return Object.fromEntries(kept.map(([key, field]) => [key, withoutDirectives(field)]));
}
