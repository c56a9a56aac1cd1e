/**
 * All objects of a kind as they are now, kept so for ever by listing once and watching from there. An API server that fails,
 * restarts, forgets or was restored from a backup delays news and never invents any: what was known stays until a complete
 * list says otherwise.
 */
import { abortable } from "../base/abort.ts";
import { type Backoff, createBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { KubeClient } from "./client.ts";
import { isExpired, KubeError } from "./errors.ts";
import { keyOf, type ObjectMeta } from "./object.ts";
import type { ResourceKind } from "./resource-kind.ts";

export interface ReflectorDeps<T> {
  client: Pick<KubeClient, "list" | "watch">;
  kind: ResourceKind<T>;
  /** All namespaces unless given. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  /** Such as "metadata.name=kubernetes", for whom RBAC lets see one object alone. */
  fieldSelector?: string | undefined;
  /** Told why it cannot hear the API server, each time, and with undefined when it can again. */
  onTouch?(error: Error | undefined): void;
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
   * may arrive as one; an object that was replaced by another of its name arrives as a change, with another uid. Returns
   * what ends it.
   */
  subscribe(listener: ReflectorListener<T>): () => void;
  /** Resolves when the first complete list is there; rejects when the signal aborts or the reflector closes before. */
  synced(signal: AbortSignal): Promise<void>;
  readonly isSynced: boolean;
  /** Milliseconds since the API server last said anything, bookmarks included; some minutes at most when all is well. */
  silentMs(): number;
  /** Why it cannot hear the API server now; undefined while it can. */
  readonly lastError: Error | undefined;
  close(): Promise<void>;
}

const pageSize = 500;
/** A watch that held this long, in milliseconds, was a good one: the next failure starts with a short wait again. */
const stableMs = 10_000;
/** Between an empty list and the one that confirms it, in milliseconds: what hangs on all objects at once hangs on two answers. */
const confirmMs = 1_000;
/** After so many watches in a row that failed without a word, a fresh list is worth its price. */
const patience = 3;

/** Starts at once. */
export function createReflector<T extends { metadata: ObjectMeta }>(deps: ReflectorDeps<T>): Reflector<T> {
  const { client, kind, clock } = deps;
  const log = deps.log.child({ kind: kind.kind, ...(deps.namespace ? { namespace: deps.namespace } : {}) });
  const { namespace, labelSelector, fieldSelector } = deps;
  const scope = { namespace, labelSelector, fieldSelector };
  const random = deps.random ?? Math.random;
  const backoff: Backoff = createBackoff({ minMs: 200, maxMs: 30_000, random });
  const closing = new AbortController();
  const { signal } = closing;
  const objects = new Map<string, T>();
  const listeners = new Set<ReflectorListener<T>>();
  const firstList = Promise.withResolvers<void>();
  firstList.promise.catch(() => undefined); // Nobody may be waiting when it closes.
  let isSynced = false;
  let lastError: Error | undefined;
  let heardAt = clock.monotonic();
  const running = run();

  /** Each round is one list and the watches that go on from it, until they no longer can. */
  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        const version = await relist();
        await follow(version);
      } catch (error) {
        await recover(error);
      }
    }
  }

  async function relist(): Promise<string> {
    let { found, version } = await listAll();
    if (found.size === 0 && objects.size > 0) {
      log.warn(
        { known: objects.size },
        "a list has nothing of what was known; it is asked for again before that counts",
      );
      await clock.sleep(confirmMs, signal);
      ({ found, version } = await listAll());
    }
    signal.throwIfAborted();
    heard();
    replaceAll(found);
    return version;
  }

  async function listAll(): Promise<{ found: Map<string, T>; version: string }> {
    const found = new Map<string, T>();
    let page = await client.list(kind, { ...scope, limit: pageSize }, signal);
    let version = page.resourceVersion;
    collect(page.items, found);
    while (page.continue !== undefined) {
      heard();
      try {
        page = await client.list(kind, { ...scope, limit: pageSize, continue: page.continue }, signal);
      } catch (error) {
        if (!isExpired(error)) throw error;
        // The pages took longer than the server remembers; one large page cannot expire.
        found.clear();
        page = await client.list(kind, scope, signal);
        version = page.resourceVersion;
      }
      collect(page.items, found);
    }
    return { found, version };
  }

  function collect(items: T[], into: Map<string, T>): void {
    for (const item of items) into.set(keyOf(item), item);
  }

  function replaceAll(found: Map<string, T>): void {
    for (const key of [...objects.keys()]) if (!found.has(key)) change(key, undefined);
    for (const [key, object] of found) {
      if (!isSame(objects.get(key), object)) change(key, object);
    }
    if (isSynced) return;
    isSynced = true;
    firstList.resolve();
  }

  /** Returns when only a fresh list helps. */
  async function follow(from: string): Promise<void> {
    let version = from;
    let failures = 0;
    while (!signal.aborted) {
      const openedAt = clock.monotonic();
      let events = 0;
      try {
        const timeoutSeconds = Math.round(240 + random() * 240);
        const options = { ...scope, resourceVersion: version, timeoutSeconds, onOpen: heard };
        for await (const event of client.watch(kind, options, signal)) {
          heard();
          events += 1;
          if (event.resourceVersion) version = event.resourceVersion;
          if (event.type === "BOOKMARK") continue;
          change(keyOf(event.object), event.type === "DELETED" ? undefined : event.object);
        }
        signal.throwIfAborted();
        heard();
        failures = 0;
        await pauseAfter(openedAt);
      } catch (error) {
        if (signal.aborted) return;
        if (isExpired(error)) return pauseAfter(openedAt);
        failures = events > 0 ? 1 : failures + 1;
        if (failures >= patience || isRefusal(error)) throw error;
        if (clock.monotonic() - openedAt >= stableMs) backoff.reset();
        await recover(error);
      }
    }
  }

  /** A server that ends each watch at once must not be asked without a pause. */
  async function pauseAfter(openedAt: number): Promise<void> {
    const lastedMs = clock.monotonic() - openedAt;
    if (lastedMs >= stableMs) backoff.reset();
    else if (lastedMs < 1_000) await clock.sleep(backoff.next(), signal).catch(() => undefined);
  }

  async function recover(error: unknown): Promise<void> {
    if (signal.aborted) return;
    lastError = error instanceof Error ? error : new Error(String(error));
    const askedMs = error instanceof KubeError ? (error.retryAfterMs ?? 0) : 0;
    const waitMs = Math.max(backoff.next(), Math.min(askedMs, 60_000));
    log.warn({ err: lastError, waitMs: Math.round(waitMs) }, "lost touch with the API server");
    deps.onTouch?.(lastError);
    await clock.sleep(waitMs, signal).catch(() => undefined);
  }

  function heard(): void {
    heardAt = clock.monotonic();
    if (!lastError) return;
    lastError = undefined;
    log.info({}, "in touch with the API server again");
    deps.onTouch?.(undefined);
  }

  function change(key: string, object: T | undefined): void {
    const before = objects.get(key);
    if (object) objects.set(key, object);
    else if (!objects.delete(key)) return;
    for (const listener of [...listeners]) tell(listener, key, object, before);
  }

  function tell(listener: ReflectorListener<T>, key: string, object: T | undefined, before: T | undefined): void {
    try {
      listener(key, object, before);
    } catch (error) {
      // One listener's defect must not keep the news from the others, nor end the watch.
      log.error({ err: error, key }, "a listener failed");
    }
  }

  return {
    get: (key) => objects.get(key),
    list: () => [...objects.values()],
    subscribe(listener) {
      listeners.add(listener);
      for (const [key, object] of [...objects]) tell(listener, key, object, undefined);
      return () => listeners.delete(listener);
    },
    synced: (waiting) => abortable(firstList.promise, waiting),
    get isSynced() {
      return isSynced;
    },
    silentMs: () => clock.monotonic() - heardAt,
    get lastError() {
      return lastError;
    },
    async close() {
      const reason = new Error(`The reflector of ${kind.plural} is closed.`);
      closing.abort(reason);
      firstList.reject(reason);
      await running;
      listeners.clear();
    },
  };
}

/** Asking again in the same way cannot help; a list may, or tells more plainly what is wrong. */
function isRefusal(error: unknown): boolean {
  return error instanceof KubeError && error.status >= 400 && !error.retryable();
}

function isSame(a: { metadata: ObjectMeta } | undefined, b: { metadata: ObjectMeta }): boolean {
  return a?.metadata.uid === b.metadata.uid && a?.metadata.resourceVersion === b.metadata.resourceVersion;
}
