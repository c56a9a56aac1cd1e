/** How server-side apply sees a value: what is a leaf, what merges by key, and by which element its parts are named. */
import { canonical, isObject } from "../json.ts";
import { anything, fieldSchema, type Schema } from "../schema/schema.ts";
import { badRequest } from "../status-error.ts";
import { type FieldPath, FieldSet } from "./field-set.ts";

export interface Part {
  element: string;
  value: unknown;
  schema: Schema;
  /** Whether the part is a field that the schema declares, and not an entry of a map or list. */
  declared: boolean;
}

/** The parts of a value that merges, or undefined for a leaf: a scalar, or a list or map that is replaced whole. */
export function partsOf(value: unknown, schema: Schema): Part[] | undefined {
  if (isObject(value)) {
    if (schema["x-kubernetes-map-type"] === "atomic") return undefined;
    return Object.keys(value)
      .filter((key) => value[key] !== undefined)
      .map((key) => ({
        element: `f:${key}`,
        value: value[key],
        schema: fieldSchema(schema, key) ?? anything,
        declared: schema.properties?.[key] !== undefined,
      }));
  }
  if (!Array.isArray(value)) return undefined;
  const kind = schema["x-kubernetes-list-type"];
  const itemSchema = schema.items ?? anything;
  if (kind === "set") {
    return value.map((item) => ({ element: `v:${canonical(item)}`, value: item, schema: itemSchema, declared: false }));
  }
  const keys = schema["x-kubernetes-list-map-keys"];
  if (kind !== "map" || !keys) return undefined;
  return value.map((item) => ({
    element: keyElement(item, keys, itemSchema),
    value: item,
    schema: itemSchema,
    declared: false,
  }));
}

function keyElement(item: unknown, keys: readonly string[], schema: Schema): string {
  const identity: Record<string, unknown> = {};
  for (const key of [...keys].sort()) {
    const value = (isObject(item) ? item[key] : undefined) ?? schema.properties?.[key]?.default;
    if (value !== undefined) identity[key] = value;
  }
  if (Object.keys(identity).length === 0) {
    throw badRequest(
      `failed to create typed patch object: associative list with keys has an element that omits key field ${keys.join(", ")}`,
    );
  }
  return `k:${canonical(identity)}`;
}

function isEmpty(value: unknown): boolean {
  return (
    value === null ||
    (isObject(value) && Object.keys(value).length === 0) ||
    (Array.isArray(value) && value.length === 0)
  );
}

/** The fields that an applied configuration speaks of: its leaves, and the items of its lists and maps. */
export function fieldsOf(value: unknown, schema: Schema): FieldSet {
  const set = new FieldSet();
  const walk = (node: unknown, nodeSchema: Schema, path: FieldPath): void => {
    const parts = partsOf(node, nodeSchema);
    if (!parts) {
      if (path.length > 0) set.add(path);
      return;
    }
    for (const part of parts) {
      const partPath = [...path, part.element];
      if (!part.declared || isEmpty(part.value)) set.add(partPath);
      walk(part.value, part.schema, partPath);
    }
  };
  walk(value, schema, []);
  return set;
}

export interface Comparison {
  added: FieldSet;
  modified: FieldSet;
  removed: FieldSet;
}

/** What differs between two states, leaf by leaf, and which containers came or went. */
export function compare(before: unknown, after: unknown, schema: Schema): Comparison {
  const found: Comparison = { added: new FieldSet(), modified: new FieldSet(), removed: new FieldSet() };
  const all = (value: unknown, nodeSchema: Schema, path: FieldPath, into: FieldSet): void => {
    into.add(path);
    for (const part of partsOf(value, nodeSchema) ?? []) all(part.value, part.schema, [...path, part.element], into);
  };
  const walk = (a: unknown, b: unknown, nodeSchema: Schema, path: FieldPath): void => {
    const partsA = partsOf(a, nodeSchema);
    const partsB = partsOf(b, nodeSchema);
    if (!partsA || !partsB) {
      if (canonical(a) !== canonical(b)) found.modified.add(path);
      return;
    }
    const old = new Map(partsA.map((part) => [part.element, part]));
    for (const part of partsB) {
      const partPath = [...path, part.element];
      const was = old.get(part.element);
      old.delete(part.element);
      if (was) walk(was.value, part.value, part.schema, partPath);
      else all(part.value, part.schema, partPath, found.added);
    }
    for (const part of old.values()) all(part.value, part.schema, [...path, part.element], found.removed);
  };
  walk(before, after, schema, []);
  return found;
}
