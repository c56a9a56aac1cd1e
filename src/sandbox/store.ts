/**
 * The sandbox's etcd: objects by resource, one counter of revisions, and for each resource a bounded log of its
 * latest changes, from which watches are served and older lists are reconstructed.
 */
import type { KubeObject } from "./object.ts";

export interface Change {
  type: "ADDED" | "MODIFIED" | "DELETED";
  /** For a deletion the last state, with the revision of the deletion. */
  object: KubeObject;
  previous?: KubeObject;
  revision: number;
}

export type ChangeListener = (change: Change) => void;

interface Shelf {
  objects: Map<string, KubeObject>;
  /** The keys of the objects, sorted. */
  keys: string[];
  /** The keys of those that have a controller, by its UID. */
  owned: Map<string, Set<string>>;
  log: Change[];
  /** Everything up to this revision has been forgotten. */
  compacted: number;
  listeners: Set<ChangeListener>;
}

export class Store {
  #revision: number;
  readonly #history: number;
  readonly #shelves = new Map<string, Shelf>();
  readonly #start: number;
  readonly #everywhere = new Set<(resource: string, change: Change) => void>();

  /** `history` bounds the changes remembered for each resource. Revisions begin after `startRevision`. */
  constructor(o: { startRevision: number; history: number }) {
    this.#start = o.startRevision;
    this.#revision = o.startRevision;
    this.#history = o.history;
  }

  get revision(): number {
    return this.#revision;
  }

  get(resource: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#shelves.get(resource)?.objects.get(keyOf(namespace, name));
  }

  /** All objects of a resource, or those of one namespace, in the order of namespace and name. */
  list(resource: string, namespace?: string): KubeObject[] {
    const shelf = this.#shelves.get(resource);
    if (!shelf) return [];
    const prefix = namespace === undefined ? "" : `${namespace}/`;
    const found: KubeObject[] = [];
    for (let i = positionOf(shelf.keys, prefix); i < shelf.keys.length; i++) {
      const key = shelf.keys[i] ?? "";
      if (!key.startsWith(prefix)) break;
      const object = shelf.objects.get(key);
      if (object) found.push(object);
    }
    return found;
  }

  /** What this owner controls of a resource, in the order of namespace and name. */
  controlledBy(resource: string, uid: string): KubeObject[] {
    const shelf = this.#shelves.get(resource);
    return [...(shelf?.owned.get(uid) ?? [])].sort().flatMap((key) => shelf?.objects.get(key) ?? []);
  }

  /** What `list` would have said at an earlier revision, or undefined when that is forgotten. */
  listAt(resource: string, revision: number, namespace?: string): KubeObject[] | undefined {
    const shelf = this.#shelf(resource);
    if (revision < shelf.compacted) return undefined;
    const objects = new Map(shelf.objects);
    for (let i = shelf.log.length - 1; i >= 0; i--) {
      const change = shelf.log[i];
      if (!change || change.revision <= revision) break;
      const key = keyOf(change.object.metadata.namespace, change.object.metadata.name);
      if (change.previous) objects.set(key, change.previous);
      else objects.delete(key);
    }
    return sorted(objects.values(), namespace);
  }

  /** Stores an object under its namespace and name and gives it the next revision. */
  put(resource: string, object: KubeObject): KubeObject {
    const shelf = this.#shelf(resource);
    const key = keyOf(object.metadata.namespace, object.metadata.name);
    const previous = shelf.objects.get(key);
    const revision = ++this.#revision;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    shelf.objects.set(key, stored);
    own(shelf, key, previous, stored);
    if (!previous) shelf.keys.splice(positionOf(shelf.keys, key), 0, key);
    this.#tell(resource, shelf, {
      type: previous ? "MODIFIED" : "ADDED",
      object: stored,
      ...(previous ? { previous } : {}),
      revision,
    });
    return stored;
  }

  /** Removes an object; its last state with the revision of its end is returned. */
  remove(resource: string, object: KubeObject): KubeObject {
    const shelf = this.#shelf(resource);
    const key = keyOf(object.metadata.namespace, object.metadata.name);
    const previous = shelf.objects.get(key);
    if (!previous) return object;
    shelf.objects.delete(key);
    own(shelf, key, previous, undefined);
    shelf.keys.splice(positionOf(shelf.keys, key), 1);
    const revision = ++this.#revision;
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    this.#tell(resource, shelf, { type: "DELETED", object: last, previous, revision });
    return last;
  }

  /** The changes after `revision`, or undefined when some of them are forgotten. */
  since(resource: string, revision: number): Change[] | undefined {
    const shelf = this.#shelf(resource);
    if (revision < shelf.compacted) return undefined;
    return shelf.log.filter((change) => change.revision > revision);
  }

  /** Calls back synchronously, in order, after each change to a resource. */
  subscribe(resource: string, listener: ChangeListener): () => void {
    const { listeners } = this.#shelf(resource);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Calls back after each change to anything, with the key of its resource. */
  subscribeAll(listener: (resource: string, change: Change) => void): () => void {
    this.#everywhere.add(listener);
    return () => this.#everywhere.delete(listener);
  }

  /** Forgets the log of a resource, as etcd's compaction does. */
  compact(resource: string): void {
    const shelf = this.#shelf(resource);
    shelf.log = [];
    shelf.compacted = this.#revision;
  }

  #shelf(resource: string): Shelf {
    let shelf = this.#shelves.get(resource);
    if (!shelf) {
      shelf = { objects: new Map(), keys: [], owned: new Map(), log: [], compacted: this.#start, listeners: new Set() };
      this.#shelves.set(resource, shelf);
    }
    return shelf;
  }

  #tell(resource: string, shelf: Shelf, change: Change): void {
    shelf.log.push(change);
    // Cutting a quarter at a time keeps the cost of forgetting constant for each write.
    if (shelf.log.length > this.#history * 1.25) {
      const dropped = shelf.log.splice(0, shelf.log.length - this.#history);
      shelf.compacted = dropped.at(-1)?.revision ?? shelf.compacted;
    }
    for (const listener of [...shelf.listeners]) listener(change);
    for (const listener of [...this.#everywhere]) listener(resource, change);
  }
}

function own(shelf: Shelf, key: string, before: KubeObject | undefined, after: KubeObject | undefined): void {
  const [old, now] = [controllerOf(before), controllerOf(after)];
  if (old === now) return;
  if (old) {
    const keys = shelf.owned.get(old);
    keys?.delete(key);
    if (keys?.size === 0) shelf.owned.delete(old);
  }
  if (now) shelf.owned.set(now, (shelf.owned.get(now) ?? new Set()).add(key));
}

function controllerOf(object: KubeObject | undefined): string | undefined {
  return object?.metadata.ownerReferences?.find(({ controller }) => controller)?.uid;
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ""}/${name}`;
}

/** Where a key stands in a sorted list, or would stand. */
function positionOf(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sorted(objects: Iterable<KubeObject>, namespace: string | undefined): KubeObject[] {
  const found = [...objects].filter((o) => namespace === undefined || o.metadata.namespace === namespace);
  return found
    .map((object) => ({ key: keyOf(object.metadata.namespace, object.metadata.name), object }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ object }) => object);
}
