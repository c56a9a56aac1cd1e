/**
 * The latest known version of each object of a kind: what the reflector heard, and what our own writes answered before the
 * reflector could hear of them. So a run that follows a write never decides on what was before it.
 */
import { isOlder, keyOf, type ObjectMeta } from "../kube/object.ts";
import type { Reflector } from "../kube/reflector.ts";

export interface Latest<T> {
  /** By "namespace/name". */
  get(key: string): T | undefined;
  list(): Iterable<T>;
  /** Takes the answer of our own write; older than what is known it is ignored. */
  put(object: T): void;
  /** Calls the listener for each known object, at once, and then after each change. */
  subscribe(listener: (key: string, object: T | undefined, before: T | undefined) => void): () => void;
  /** Resolves when everything that exists is known. */
  synced(signal: AbortSignal): Promise<void>;
  readonly isSynced: boolean;
  close(): Promise<void>;
}

/** How many UIDs of deleted objects are remembered, so that a late answer to a write does not bring one back. */
const mostBuried = 1000;

export function createLatest<T extends { metadata: ObjectMeta }>(reflector: Reflector<T>): Latest<T> {
  const objects = new Map<string, { object: T; own: boolean }>();
  const buried = new Set<string>();
  const listeners = new Set<(key: string, object: T | undefined, before: T | undefined) => void>();

  function set(key: string, object: T, own: boolean): void {
    const before = objects.get(key)?.object;
    objects.set(key, { object, own });
    if (before && isSame(before, object) && before.metadata.resourceVersion === object.metadata.resourceVersion) return;
    for (const listener of listeners) listener(key, object, before);
  }

  function bury(key: string, gone: T | undefined): void {
    const uid = gone?.metadata.uid;
    if (uid !== undefined) {
      buried.add(uid);
      for (const oldest of buried) {
        if (buried.size <= mostBuried) break;
        buried.delete(oldest);
      }
    }
    const known = objects.get(key)?.object;
    // Another object of the same name may have been made since, by our own write.
    if (!known || (gone && !isSame(known, gone))) return;
    objects.delete(key);
    for (const listener of listeners) listener(key, undefined, known);
  }

  const unsubscribe = reflector.subscribe((key, object, before) => {
    if (!object) {
      bury(key, before);
      return;
    }
    if (before && !isSame(before, object)) bury(key, before);
    const known = objects.get(key);
    if (known?.own && isSame(known.object, object) && isOlder(object, known.object)) return;
    set(key, object, false);
  });

  return {
    get: (key) => objects.get(key)?.object,
    *list() {
      for (const { object } of objects.values()) yield object;
    },
    put(object) {
      const key = keyOf(object);
      if (object.metadata.uid !== undefined && buried.has(object.metadata.uid)) return;
      const known = objects.get(key)?.object;
      if (known && isSame(known, object) && !isOlder(known, object)) return;
      set(key, object, true);
    },
    subscribe(listener) {
      for (const [key, { object }] of objects) listener(key, object, undefined);
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    synced: (signal) => reflector.synced(signal),
    get isSynced() {
      return reflector.isSynced;
    },
    async close() {
      unsubscribe();
      listeners.clear();
      await reflector.close();
    },
  };
}

function isSame(a: { metadata: ObjectMeta }, b: { metadata: ObjectMeta }): boolean {
  return a.metadata.uid === b.metadata.uid;
}
