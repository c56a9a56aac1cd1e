/** The shapes of what the Kubernetes API stores, as JSON has them: dates are strings, reserved words keep their names. */
import type { V1ObjectMeta } from "@kubernetes/client-node";

export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;
export interface JsonObject {
  [name: string]: JsonValue;
}

/**
 * A type of the client library as it really is in JSON. The library's own types have `Date` where JSON has a string, and
 * `_from` where it has `from`.
 */
export type AsJson<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? AsJson<Item>[]
    : T extends object
      ? { [K in keyof T as K extends `_${infer Name}` ? Name : K]: AsJson<T[K]> }
      : T;

export type ObjectMeta = AsJson<V1ObjectMeta>;

/** Anything that is stored at the API server. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

/** An object of the client library's type `T`, with the metadata that every stored object has. */
export type Stored<T> = Omit<AsJson<T>, "metadata"> & { metadata: ObjectMeta };

/** One of our own resources. `Spec` and `Status` are messages of `src/gen`. */
export interface Resource<Spec, Status> {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: Spec;
  status?: Status;
  /**
   * What of the stored spec this program does not understand, each with its path: fields of a newer version, or values of
   * the wrong type. Acting on such a spec would do something else than what is written there, so do not.
   */
  problems?: readonly string[];
}

/** What is sent to be created or applied: the parts that are given, of an object that is named. */
export type Draft<T extends { metadata: ObjectMeta }> = Partial<T> & { metadata: ObjectMeta };

/** Where an object is. `namespace` is left out for kinds without one. */
export interface ObjectRef {
  namespace?: string | undefined;
  name: string;
}

/** "namespace/name", or "name" for an object without a namespace: unique within a kind. */
export function keyOf(ref: ObjectRef | { metadata: ObjectMeta }): string {
  const { namespace, name } = "metadata" in ref ? ref.metadata : ref;
  return namespace ? `${namespace}/${name ?? ""}` : (name ?? "");
}

/** Where an object is, told by its key (the reverse of `keyOf`) or by itself. */
export function refOf(of: string | { metadata: ObjectMeta }): ObjectRef {
  if (typeof of !== "string") return { namespace: of.metadata.namespace, name: of.metadata.name ?? "" };
  const slash = of.indexOf("/");
  return slash < 0 ? { name: of } : { namespace: of.slice(0, slash), name: of.slice(slash + 1) };
}

/**
 * Whether `a` is an earlier version than `b`. Resource versions of one kind are numbers that rise (KEP-5504); where they
 * are no numbers nothing is older.
 */
export function isOlder(a: { metadata: ObjectMeta }, b: { metadata: ObjectMeta }): boolean {
  const [left = "", right = ""] = [a.metadata.resourceVersion, b.metadata.resourceVersion];
  return /^\d+$/.test(left) && /^\d+$/.test(right) && BigInt(left) < BigInt(right);
}

/** True for an object that JSON calls an object: neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
