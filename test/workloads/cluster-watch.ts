/** Who sees what of the cluster in memory: what is stored, the watches for it, selectors, and rights. */

import type { Queue } from "../../src/base/queue.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import type { KindAddress } from "../../src/kube/resource-kind.ts";

export interface Meta {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  labels?: { [name: string]: string };
  annotations?: { [name: string]: string | null };
  ownerReferences?: { uid: string }[];
}

/** A stored object; the rest of it is JSON. */
export interface Stored {
  metadata: Meta;
  spec?: JsonObject;
  status?: JsonObject;
  [more: string]: unknown;
}

export interface Change {
  plural: string;
  type: "ADDED" | "MODIFIED" | "DELETED";
  object: Stored;
  version: number;
}

export interface Watch {
  plural: string;
  queue: Queue<Change>;
  namespace: string | undefined;
  selector: string | undefined;
  field?: string | undefined;
}

/** Throws as an API server that does not let list. */
export function mayRead(denied: ReadonlySet<string>, kind: KindAddress, namespace = "", field = ""): void {
  const name = field.replace("metadata.name=", "");
  const places = [`list ${kind.plural} ${namespace}`, `list ${kind.plural} ${namespace}/${name}`];
  const isDenied = denied.has(places[0] ?? "") && (name === "" || denied.has(places[1] ?? ""));
  if (isDenied) throw kubeError(403, "Forbidden", `${kind.plural} is forbidden: cannot list in "${namespace}"`);
}

/** What a SelfSubjectAccessReview asks about. */
export function reviewed({ spec }: JsonObject): string {
  const { resourceAttributes } = isJsonObject(spec) ? spec : {};
  const { verb, resource, namespace } = isJsonObject(resourceAttributes) ? resourceAttributes : {};
  return `${verb} ${resource} ${namespace}`;
}

/** One that matched and does so no more is seen as deleted. */
export function seenBy(watch: Watch, change: Change, before: Stored | undefined): Change | undefined {
  if (isSeen(watch, change)) return change;
  const wasSeen = before && isSeen(watch, { ...change, object: before });
  return wasSeen ? { ...change, type: "DELETED" } : undefined;
}

export function isSeen(watch: Omit<Watch, "queue">, change: Change): boolean {
  const { metadata } = change.object;
  if (!isNamed(metadata, watch.field)) return false;
  if (watch.plural !== change.plural) return false;
  if (watch.namespace !== undefined && watch.namespace !== metadata.namespace) return false;
  return matches(metadata, watch.selector);
}

export function isNamed({ name }: Meta, fieldSelector: string | undefined): boolean {
  return !fieldSelector || fieldSelector === `metadata.name=${name}`;
}

export function matches(metadata: Meta, selector: string | undefined): boolean {
  if (!selector) return true;
  return selector.split(",").every((term) => {
    const [name = "", value] = term.split("=");
    return value === undefined ? metadata.labels?.[name] !== undefined : metadata.labels?.[name] === value;
  });
}

export function map(value: unknown): { [name: string]: string } {
  return isJsonObject(value) ? JSON.parse(JSON.stringify(value)) : {};
}

export function kubeError(status: number, reason: string, message: string): KubeError {
  return new KubeError({ status, reason, message });
}

export function conflict(): KubeError {
  return kubeError(409, "Conflict", "the object has been modified");
}
