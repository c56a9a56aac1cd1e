/**
 * The least API server that a reflector can be told the truth by: objects with versions, a history that is forgotten, pages,
 * watches. What it does wrong, and when, is up to the test.
 */
import { Queue } from "../../src/base/queue.ts";
import type { ListOptions, Page, WatchEvent, WatchOptions } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { ResourceKind } from "../../src/kube/resource-kind.ts";
import { type ConfigMap, configMaps } from "../../src/kube/resources.ts";

type Change = Exclude<WatchEvent<ConfigMap>, { type: "BOOKMARK" }>;

export interface Faults {
  /** Asked before each list and each watch; an error is thrown instead of an answer. */
  list?: (options: ListOptions) => Error | undefined;
  watch?: (options: WatchOptions) => Error | undefined;
}

export class FakeStore {
  readonly kind: ResourceKind<ConfigMap> = configMaps;
  readonly faults: Faults = {};
  readonly lists: ListOptions[] = [];
  readonly watches: WatchOptions[] = [];
  pageSize = Number.POSITIVE_INFINITY;
  #version = 1;
  #forgotten = 0;
  #uids = 0;
  #history: Change[] = [];
  readonly #objects = new Map<string, ConfigMap>();
  readonly #open = new Set<Queue<WatchEvent<ConfigMap>>>();

  get openWatches(): number {
    return this.#open.size;
  }

  put(name: string, value: string): void {
    const before = this.#objects.get(name);
    const uid = before?.metadata.uid ?? `uid-${++this.#uids}`;
    const object = { metadata: { name, namespace: "default", uid, resourceVersion: this.#next() }, data: { value } };
    this.#objects.set(name, object);
    this.#tell(before ? "MODIFIED" : "ADDED", object);
  }

  remove(name: string): void {
    const before = this.#objects.get(name);
    if (!before) return;
    this.#objects.delete(name);
    this.#tell("DELETED", { ...before, metadata: { ...before.metadata, resourceVersion: this.#next() } });
  }

  /** From now on no watch can start before this moment. */
  forget(): void {
    this.#forgotten = this.#version;
    this.#history = [];
  }

  bookmark(): void {
    for (const watch of this.#open) watch.push({ type: "BOOKMARK", resourceVersion: String(this.#version) });
  }

  /** Ends all watches: orderly, or by this error. */
  cut(error?: Error): void {
    for (const watch of this.#open) watch.close(error);
    this.#open.clear();
  }

  values(): Record<string, string> {
    return Object.fromEntries([...this.#objects].map(([name, { data }]) => [name, data?.value ?? ""]));
  }

  // biome-ignore lint/suspicious/noExplicitAny: it serves one kind only, whatever it is asked for.
  async list(_: ResourceKind<any>, options: ListOptions, signal: AbortSignal): Promise<Page<any>> {
    await Promise.resolve();
    signal.throwIfAborted();
    this.lists.push(options);
    const fault = this.faults.list?.(options);
    if (fault) throw fault;
    const all = [...this.#objects.values()];
    const [start = 0, version = this.#version] = options.continue ? options.continue.split("@").map(Number) : [];
    const size = options.limit === undefined ? all.length : Math.min(options.limit, this.pageSize);
    const rest = start + size < all.length ? { continue: `${start + size}@${version}` } : {};
    return { items: all.slice(start, start + size), resourceVersion: String(version), ...rest };
  }

  // biome-ignore lint/suspicious/noExplicitAny: it serves one kind only, whatever it is asked for.
  async *watch(_: ResourceKind<any>, options: WatchOptions, signal: AbortSignal): AsyncGenerator<WatchEvent<any>> {
    await Promise.resolve();
    signal.throwIfAborted();
    this.watches.push(options);
    const fault = this.faults.watch?.(options);
    if (fault) throw fault;
    const from = Number(options.resourceVersion);
    if (from < this.#forgotten) throw expired();
    const queue = new Queue<WatchEvent<ConfigMap>>(10_000);
    for (const change of this.#history) if (Number(change.resourceVersion) > from) queue.push(change);
    this.#open.add(queue);
    options.onOpen?.();
    const onAbort = (): void => queue.close(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      yield* queue;
    } finally {
      this.#open.delete(queue);
      signal.removeEventListener("abort", onAbort);
    }
  }

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }

  #tell(type: Change["type"], object: ConfigMap): void {
    const change: Change = { type, object, resourceVersion: object.metadata.resourceVersion ?? "" };
    this.#history.push(change);
    for (const watch of this.#open) watch.push(change);
  }
}

export function expired(): KubeError {
  return new KubeError({ status: 410, reason: "Expired", message: "too old" });
}

export function broken(status = 500): KubeError {
  return new KubeError({ status, reason: "InternalError", message: `status ${status}` });
}
