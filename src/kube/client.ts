/**
 * The Kubernetes API in a dozen verbs. Each call is one request; nothing is retried here, because only the caller knows
 * whether its intention still holds. Errors are `KubeError`; an aborted signal rejects with the signal's reason.
 */
import type { Draft, JsonObject, ObjectMeta, ObjectRef } from "./object.ts";
import type { KindAddress, ResourceKind } from "./resource-kind.ts";

/** The field manager that Fairlead applies as. */
export const fieldManager = "fairlead";

export interface ListOptions {
  /** All namespaces unless given. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** The most items of one page; what is left is reached by `continue`. */
  limit?: number | undefined;
  continue?: string | undefined;
}

export interface Page<T> {
  items: T[];
  /** Where a watch goes on from. */
  resourceVersion: string;
  /** Set when there is more. */
  continue?: string;
}

export interface WatchOptions {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  /** As a list or an earlier event gave it. */
  resourceVersion?: string | undefined;
  /** How long the server may keep the watch open, in seconds; 300 unless given. */
  timeoutSeconds?: number | undefined;
}

export type WatchEvent<T> =
  | { type: "ADDED" | "MODIFIED" | "DELETED"; object: T; resourceVersion: string }
  /** Nothing changed up to this version. */
  | { type: "BOOKMARK"; resourceVersion: string };

export interface ApplyOptions {
  /** `fairlead` unless given. */
  fieldManager?: string | undefined;
  /** Take over fields that another manager owns instead of failing with Conflict. */
  force?: boolean | undefined;
  /** Validate and answer, and store nothing. */
  dryRun?: boolean | undefined;
}

export interface DeleteOptions {
  /** Only this very object, not a later one of the same name: else Conflict. */
  uid?: string | undefined;
  resourceVersion?: string | undefined;
  propagation?: "Background" | "Foreground" | "Orphan" | undefined;
}

type Named = { metadata: ObjectMeta };

export interface KubeClient {
  /** The namespace of the kubeconfig's context or of the pod that this runs in; "default" when neither says. */
  readonly currentNamespace: string;
  /** Undefined when there is no such object; any other failure throws. */
  get<T>(kind: ResourceKind<T>, ref: ObjectRef, signal: AbortSignal): Promise<T | undefined>;
  list<T>(kind: ResourceKind<T>, options: ListOptions, signal: AbortSignal): Promise<Page<T>>;
  /**
   * Changes as they come, until the server ends the watch (the iteration then ends) or something breaks (it throws). With an
   * expired resource version it throws an error for which `isExpired` holds.
   */
  watch<T>(kind: ResourceKind<T>, options: WatchOptions, signal: AbortSignal): AsyncIterable<WatchEvent<T>>;
  create<T extends Named>(kind: ResourceKind<T>, object: Draft<T>, signal: AbortSignal): Promise<T>;
  /** Replaces the object if it still has the `metadata.resourceVersion` given, else throws an error for which `isConflict` holds. */
  update<T extends Named>(kind: ResourceKind<T>, object: Draft<T>, signal: AbortSignal): Promise<T>;
  /** Server-side apply: creates the object, or makes the fields that are given so and drops those applied before and now left out. */
  apply<T extends Named>(
    kind: ResourceKind<T>,
    object: Draft<T>,
    options: ApplyOptions,
    signal: AbortSignal,
  ): Promise<T>;
  /** Server-side apply of the status alone. With `metadata.uid`, only to that very object. */
  applyStatus<T extends Named>(
    kind: ResourceKind<T>,
    object: Draft<T>,
    options: ApplyOptions,
    signal: AbortSignal,
  ): Promise<T>;
  /** JSON merge patch: null removes a field. With `metadata.resourceVersion` in the patch it is optimistic. */
  mergePatch<T>(kind: ResourceKind<T>, ref: ObjectRef, patch: JsonObject, signal: AbortSignal): Promise<T>;
  /** False when there was no such object. The object may live on until its finalizers are gone. */
  delete(kind: KindAddress, ref: ObjectRef, options: DeleteOptions, signal: AbortSignal): Promise<boolean>;
}
