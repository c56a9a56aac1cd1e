/** A Kubernetes object as the store keeps it. Stored objects are never changed in place: a write stores a new one. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid: string;
  /** A decimal number that grows with every write to the sandbox; clients must treat it as opaque. */
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFieldsEntry[];
  [field: string]: unknown;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ManagedFieldsEntry {
  manager?: string;
  operation?: "Apply" | "Update";
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: Record<string, unknown>;
  subresource?: string;
}

/** A moment as Kubernetes writes it: whole seconds, UTC. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** A moment with microseconds, as in Leases and log lines. */
export function microTimestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}

/** Narrows JSON whose schema has been checked. Throws when it is no object with a name after all. */
export function assertObject(value: Record<string, unknown>): KubeObject {
  if (isKubeObject(value)) return value;
  throw new TypeError("an object without apiVersion, kind or metadata.name passed validation");
}

function isKubeObject(value: Record<string, unknown>): value is KubeObject {
  const { metadata } = value;
  const isNamed = typeof metadata === "object" && metadata !== null && "name" in metadata;
  return typeof value.apiVersion === "string" && typeof value.kind === "string" && isNamed;
}
