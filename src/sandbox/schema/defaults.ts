import { clone, isObject } from "../json.ts";
import type { Schema } from "./schema.ts";

/** Fills in, in place, what the schema gives a default for. */
export function applyDefaults(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items) for (const item of value) applyDefaults(item, items);
    return;
  }
  if (!isObject(value)) return;
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    if (value[key] === undefined && child.default !== undefined) value[key] = clone(child.default);
  }
  for (const key of Object.keys(value)) {
    const declared = schema.properties?.[key];
    const child = declared ?? (isObject(schema.additionalProperties) ? schema.additionalProperties : undefined);
    if (child) applyDefaults(value[key], child);
  }
}
