/**
 * The Kubernetes API in a dozen verbs. Each call is one request; nothing is retried here, because only the caller knows
 * whether its intention still holds. Errors are `KubeError`; an aborted signal rejects with the signal's reason.
 */
import type { Clock } from "../base/clock.ts";
import { type ApplyOptions, applyObject, fieldManager } from "./apply.ts";
import { isNotFound, KubeError } from "./errors.ts";
import { type Draft, isJsonObject, type JsonObject, keyOf, type ObjectMeta, type ObjectRef, refOf } from "./object.ts";
import type { Requests } from "./requests.ts";
import {
  collectionPath,
  formatDraft,
  isAddressed,
  type KindAddress,
  objectPath,
  type ResourceKind,
} from "./resource-kind.ts";
import { type WatchEvent, type WatchOptions, watchObjects } from "./watch.ts";

export type { ApplyOptions } from "./apply.ts";
export type { WatchEvent, WatchOptions } from "./watch.ts";

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

export interface DeleteOptions {
  /** Only this very object, not a later one of the same name: else Conflict. */
  uid?: string | undefined;
  resourceVersion?: string | undefined;
  propagation?: "Background" | "Foreground" | "Orphan" | undefined;
  /** Everything is judged and nothing deleted. */
  dryRun?: boolean | undefined;
}

type Named = { metadata: ObjectMeta };

export interface KubeClient {
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
  /**
   * Server-side apply of the status alone; it creates no object. The API server does not compare `metadata.uid` here: look at
   * the answer's, when another object of the same name may have come.
   */
  applyStatus<T extends Named>(
    kind: ResourceKind<T>,
    object: Draft<T>,
    options: ApplyOptions,
    signal: AbortSignal,
  ): Promise<T>;
  /** JSON merge patch: null removes a field. With `metadata.resourceVersion` in the patch it is optimistic. */
  mergePatch<T>(
    kind: ResourceKind<T>,
    ref: ObjectRef,
    patch: JsonObject,
    signal: AbortSignal,
    options?: Pick<ApplyOptions, "dryRun">,
  ): Promise<T>;
  /** False when there was no such object. The object may live on until its finalizers are gone. */
  delete(kind: KindAddress, ref: ObjectRef, options: DeleteOptions, signal: AbortSignal): Promise<boolean>;
}

/** `server` is the API server's address, for messages. */
export function createKubeClient(deps: { requests: Requests; clock: Clock; server: string }): KubeClient {
  const { requests } = deps;
  return {
    async get(kind, ref, signal) {
      try {
        const what = `get ${kind.kind} ${keyOf(ref)}`;
        return kind.parse(asObject(await requests.json({ method: "GET", path: objectPath(kind, ref), what }, signal)));
      } catch (error) {
        if (isNotFound(error) && !isMissingKind(error)) return undefined;
        throw error;
      }
    },

    async list(kind, options, signal) {
      const { namespace, ...query } = options;
      const path = collectionPath(kind, namespace);
      const answer = asObject(
        await requests.json({ method: "GET", path, query: { ...query }, what: `list ${kind.plural}` }, signal),
      );
      const metadata = isJsonObject(answer.metadata) ? answer.metadata : {};
      return {
        items: itemsOf(answer, kind).map((item) => kind.parse(item)),
        resourceVersion: typeof metadata.resourceVersion === "string" ? metadata.resourceVersion : "",
        ...(typeof metadata.continue === "string" && metadata.continue ? { continue: metadata.continue } : {}),
      };
    },

    watch: (kind, options, signal) => watchObjects(deps, kind, options, signal),

    async create(kind, object, signal) {
      const path = collectionPath(kind, object.metadata.namespace);
      const what = `create ${kind.kind} ${keyOf(object)}`;
      const body = formatDraft(kind, object);
      return kind.parse(asObject(await requests.json({ method: "POST", path, body, what }, signal)));
    },

    async update(kind, object, signal) {
      const what = `update ${kind.kind} ${keyOf(object)}`;
      const body = formatDraft(kind, object);
      const path = objectPath(kind, refOf(object));
      return kind.parse(asObject(await requests.json({ method: "PUT", path, body, what }, signal)));
    },

    apply: (kind, object, options, signal) => applyObject(requests, kind, object, options, undefined, signal),

    applyStatus: (kind, object, options, signal) => applyObject(requests, kind, object, options, "status", signal),

    async mergePatch(kind, ref, patch, signal, options = {}) {
      const request = {
        method: "PATCH",
        path: objectPath(kind, ref),
        body: patch,
        contentType: "application/merge-patch+json",
        what: `patch ${kind.kind} ${keyOf(ref)}`,
        query: { fieldManager, dryRun: options.dryRun ? "All" : undefined },
      };
      return kind.parse(asObject(await requests.json(request, signal)));
    },

    async delete(kind, ref, options, signal) {
      const { uid, resourceVersion, propagation, dryRun } = options;
      const body: JsonObject = {
        apiVersion: "v1",
        kind: "DeleteOptions",
        propagationPolicy: propagation ?? "Background",
        preconditions: { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) },
        ...(dryRun ? { dryRun: ["All"] } : {}),
      };
      try {
        const what = `delete ${kind.kind} ${keyOf(ref)}`;
        await requests.json({ method: "DELETE", path: objectPath(kind, ref), body, what }, signal);
        return true;
      } catch (error) {
        if (isNotFound(error) && !isMissingKind(error)) return false;
        throw error;
      }
    },
  };
}

/**
 * An answer that is no list must not be taken for an empty one: whatever is missing from a list counts as deleted. Some
 * servers write null where a list is empty.
 */
function itemsOf(answer: JsonObject, address: KindAddress): JsonObject[] {
  const { items, kind } = answer;
  if (items === null && typeof kind === "string" && kind.endsWith("List")) return [];
  if (Array.isArray(items) && items.every(isJsonObject) && items.every((item) => isAddressed(address, item))) {
    return items;
  }
  const message = `Could not list ${address.plural}: the answer is no list. Is it a Kubernetes API server?`;
  throw new KubeError({ status: 0, reason: "Garbled", message });
}

function asObject(answer: unknown): JsonObject {
  if (isJsonObject(answer)) return answer;
  throw new KubeError({
    status: 0,
    reason: "Garbled",
    message: "The API server answered with JSON that is no object.",
  });
}

/** A 404 that means that the API server does not know the kind, not that there is no such object. */
function isMissingKind(error: KubeError): boolean {
  return /could not find the requested resource|404 page not found/.test(error.message);
}
