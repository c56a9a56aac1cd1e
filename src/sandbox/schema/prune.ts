import { isObject, type JsonObject } from "../json.ts";
import { type Definitions, fieldSchema, type Schema } from "./schema.ts";

/**
 * Removes, in place, what the schema does not know, and returns the paths of what it removed. With `strict` the caller
 * refuses the object for them; otherwise they become warnings.
 */
export function prune(value: unknown, schema: Schema, definitions: Definitions, path = ""): string[] {
  const unknown: string[] = [];
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items) unknown.push(...value.flatMap((item, i) => prune(item, items, definitions, `${path}[${i}]`)));
    return unknown;
  }
  if (!isObject(value)) return unknown;
  for (const key of Object.keys(value).sort()) {
    const child = childSchema(schema, key, definitions);
    const childPath = path ? `${path}.${key}` : key;
    if (child) unknown.push(...prune(value[key], child, definitions, childPath));
    else {
      delete value[key];
      unknown.push(childPath);
    }
  }
  return unknown;
}

function childSchema(schema: Schema, key: string, definitions: Definitions): Schema | undefined {
  if (schema["x-kubernetes-embedded-resource"]) {
    if (key === "apiVersion" || key === "kind") return { type: "string" };
    if (key === "metadata") return definitions.get("apis.meta.v1.ObjectMeta");
  }
  return fieldSchema(schema, key);
}

/** Removes fields that are null, in place, as decoding into a typed object does. */
export function dropNulls(value: unknown): void {
  if (Array.isArray(value)) value.forEach(dropNulls);
  else if (isObject(value)) {
    for (const key of Object.keys(value)) {
      if (value[key] === null) delete value[key];
      else dropNulls(value[key]);
    }
  }
}

/** Removes null fields that the schema does not allow to be null, so that their default can take their place. */
export function dropForbiddenNulls(object: JsonObject, schema: Schema): void {
  for (const key of Object.keys(object)) {
    const child = fieldSchema(schema, key);
    const value = object[key];
    if (!child) continue;
    if (value === null && child.default !== undefined && !child.nullable) delete object[key];
    else if (isObject(value)) dropForbiddenNulls(value, child);
    else if (Array.isArray(value) && child.items) {
      for (const item of value) if (isObject(item)) dropForbiddenNulls(item, child.items);
    }
  }
}
