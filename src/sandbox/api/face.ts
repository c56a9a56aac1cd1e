/** Answers and bodies of a resource that is another's second face: the same objects with fields renamed. */
import { isObject, type JsonObject } from "../json.ts";
import { apiVersionOf, type Resource } from "../resource.ts";

/** A stored object, or a list of them, as this face shows it. What is neither passes as it is. */
export function showThrough(face: Resource, stored: Resource, value: unknown): unknown {
  if (!isObject(value) || !face.faceOf) return value;
  if (Array.isArray(value.items)) {
    return {
      ...value,
      apiVersion: apiVersionOf(face),
      items: value.items.map((item) => showThrough(face, stored, { ...item, kind: stored.kind })),
    };
  }
  if (value.kind !== stored.kind) return value;
  const names = new Map(Object.entries(face.faceOf.stored).map(([shown, kept]) => [kept, shown]));
  return { ...rename(value, (name) => names.get(name) ?? name), apiVersion: apiVersionOf(face) };
}

/** A body, or a patch, that a client wrote in this face's words. */
export function readThrough(face: Resource, stored: Resource, body: unknown): unknown {
  if (!isObject(body) || !face.faceOf) return body;
  const names = face.faceOf.stored;
  const renamed = rename(body, (name) => names[name] ?? name);
  return "apiVersion" in body ? { ...renamed, apiVersion: apiVersionOf(stored) } : renamed;
}

function rename(object: JsonObject, name: (field: string) => string): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([field, value]) => [name(field), value]));
}
