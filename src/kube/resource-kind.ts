/** What the client must know of a kind of object: its address at the API server, and how its JSON becomes a `T`. */
import { type Draft, isJsonObject, type JsonObject, type ObjectMeta, type ObjectRef } from "./object.ts";

/** Where the objects of a kind are. */
export interface KindAddress {
  /** Empty for the core group. */
  group: string;
  version: string;
  plural: string;
  kind: string;
  namespaced: boolean;
}

export interface ResourceKind<T> extends KindAddress {
  /** Makes a `T` of what the API server sent. */
  parse(json: JsonObject): T;
  /** Makes the JSON to send of a `T` or of parts of one. `apiVersion` and `kind` are added by the client. */
  format(object: Partial<T>): JsonObject;
}

/** "apps/v1", or "v1" in the core group. */
export function apiVersionOf(kind: KindAddress): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}

/** The path of all objects of a kind, in one namespace or in all of them. */
export function collectionPath(kind: KindAddress, namespace?: string): string {
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = kind.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${scope}/${kind.plural}`;
}

/** The path of one object, or of a subresource of it. Throws when the namespace of a namespaced kind is missing. */
export function objectPath(kind: KindAddress, ref: ObjectRef, subresource?: string): string {
  if (kind.namespaced && !ref.namespace)
    throw new TypeError(`The namespace of the ${kind.kind} "${ref.name}" is missing.`);
  if (!ref.name) throw new TypeError(`The name of the ${kind.kind} is missing.`);
  const path = `${collectionPath(kind, ref.namespace)}/${encodeURIComponent(ref.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** Whether this says of which object it is, as everything does that an API server tells of an object. */
export function isAddressed({ namespaced }: KindAddress, { metadata }: JsonObject): boolean {
  if (!isJsonObject(metadata)) return false;
  const { name, namespace } = metadata;
  return isText(name) && (!namespaced || isText(namespace));
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

/** The JSON that is sent for an object or for parts of one. */
export function formatDraft<T extends { metadata: ObjectMeta }>(kind: ResourceKind<T>, draft: Draft<T>): JsonObject {
  return { ...kind.format(draft), apiVersion: apiVersionOf(kind), kind: kind.kind };
}
