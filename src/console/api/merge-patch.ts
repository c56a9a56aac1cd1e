/** JSON merge patches (RFC 7386). Pure. */
import { isDeepStrictEqual } from "node:util";
import { isJsonObject, type JsonObject } from "../../kube/object.ts";

/** The patch that makes `after` of `before`; empty when they are equal. A null in `after` counts as absent, as in Kubernetes. */
export function mergePatchOf(before: JsonObject, after: JsonObject): JsonObject {
  const patch: JsonObject = {};
  for (const name of Object.keys(before))
    if ((after[name] ?? null) === null && before[name] !== null) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    const old = before[name];
    if (value === null || isDeepStrictEqual(old, value)) continue;
    patch[name] = isJsonObject(old) && isJsonObject(value) ? mergePatchOf(old, value) : value;
  }
  return patch;
}
