import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";

/** RFC 7386. */
export function merged(into: JsonObject, patch: JsonObject): JsonObject {
  const result = { ...into };
  for (const [name, value] of Object.entries(patch)) {
    const before = result[name];
    if (value === null) delete result[name];
    else result[name] = isJsonObject(value) ? merged(isJsonObject(before) ? before : {}, value) : value;
  }
  return result;
}
