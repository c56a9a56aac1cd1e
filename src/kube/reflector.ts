/**
 * All objects of a kind as they are now, kept so for ever by listing once and watching from there. An API server that fails,
 * restarts, forgets or was restored from a backup delays news and never invents any: what was known stays until a complete
 * list says otherwise.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { KubeClient } from "./client.ts";
import type { ObjectMeta } from "./object.ts";
import type { ResourceKind } from "./resource-kind.ts";

export interface ReflectorDeps<T> {
  client: Pick<KubeClient, "list" | "watch">;
  kind: ResourceKind<T>;
  /** All namespaces unless given. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  clock: Clock;
  log: Log;
  /** [0, 1); Math.random unless given. */
  random?: () => number;
}

/** Told of each change of an object: as it is now, undefined when it is gone, and as it was before, undefined when it is new. */
export type ReflectorListener<T> = (key: string, object: T | undefined, before: T | undefined) => void;

export interface Reflector<T> {
  /** By `keyOf`: "namespace/name". */
  get(key: string): T | undefined;
  list(): T[];
  /**
   * Calls the listener for each object that is known already, at once, and then for each change. Two changes of one object
   * may arrive as one. Returns what ends it.
   */
  subscribe(listener: ReflectorListener<T>): () => void;
  /** Resolves when the first complete list is there; rejects when the signal aborts or the reflector closes before. */
  synced(signal: AbortSignal): Promise<void>;
  readonly isSynced: boolean;
  /** Milliseconds since the API server last said anything, bookmarks included; its silence is at most some minutes when all is well. */
  silentMs(): number;
  /** Why it cannot hear the API server now; undefined while it can. */
  readonly lastError: Error | undefined;
  close(): Promise<void>;
}

export declare function createReflector<T extends { metadata: ObjectMeta }>(deps: ReflectorDeps<T>): Reflector<T>;
