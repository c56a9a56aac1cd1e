/**
 * Reads parts of Kubernetes' own objects as they stand in a spec. What is missing, null or of another type is not there: the API
 * server takes no object that has another type, so nothing that runs is overlooked by that. Pure.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../kube/object.ts";

export function partAt(json: JsonObject | undefined, name: string): JsonObject | undefined {
  const part = valueAt(json, name);
  return isJsonObject(part) ? part : undefined;
}

/** The objects of a list, each with its place in it. */
export function partsAt(
  json: JsonObject | undefined,
  name: string,
): { readonly part: JsonObject; readonly at: number }[] {
  return listAt(json, name).flatMap((part, at) => (isJsonObject(part) ? [{ part, at }] : []));
}

export function textAt(json: JsonObject | undefined, name: string): string | undefined {
  const text = valueAt(json, name);
  return typeof text === "string" ? text : undefined;
}

export function textsAt(json: JsonObject | undefined, name: string): string[] {
  return listAt(json, name).filter((text) => typeof text === "string");
}

export function valueAt(json: JsonObject | undefined, name: string): JsonValue | undefined {
  return json !== undefined && Object.hasOwn(json, name) ? (json[name] ?? undefined) : undefined;
}

function listAt(json: JsonObject | undefined, name: string): JsonValue[] {
  const list = valueAt(json, name);
  return Array.isArray(list) ? list : [];
}
