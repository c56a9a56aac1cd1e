/**
 * A cluster in memory, for tests that run a story hundreds of times: objects with versions, watches, finalizers, foreground
 * deletion, server-side apply of whole specs, and controllers that make pods (cluster-controllers.ts). `test/contract` holds the
 * sandbox to the real thing; what is here is only what the stories need.
 */
import { isDeepStrictEqual } from "node:util";
import { Queue } from "../../src/base/queue.ts";
import type { KubeClient, WatchEvent, WatchOptions } from "../../src/kube/client.ts";
import { isJsonObject, type JsonObject, keyOf, type ObjectRef } from "../../src/kube/object.ts";
import type { KindAddress, ResourceKind } from "../../src/kube/resource-kind.ts";
import { apiVersionOf } from "../../src/kube/resource-kind.ts";
import { control } from "./cluster-controllers.ts";
import {
  type Change,
  conflict,
  isNamed,
  isSeen,
  kubeError,
  type Meta,
  map,
  matches,
  mayRead,
  reviewed,
  type Stored,
  seenBy,
  type Watch,
} from "./cluster-watch.ts";
import { merged } from "./merge-patch.ts";

export type { Stored } from "./cluster-watch.ts";
export { kubeError } from "./cluster-watch.ts";

export interface Cluster extends KubeClient {
  /** What is stored now, by "plural/namespace/name". */
  readonly objects: ReadonlyMap<string, Stored>;
  all(plural: string): Stored[];
  /** Everything of a cluster, to be restored later. */
  backup(): Map<string, Stored>;
  /** Puts these objects back as they were, and removes the others, for the kinds given. */
  restore(backup: Map<string, Stored>, plurals: readonly string[]): void;
  /** Changes an object as somebody else, who asks nobody. */
  edit(plural: string, key: string, change: (object: Stored) => void): void;
  /** What this client may not, as "list secrets shop" or "list secrets shop/db"; changed by tests. */
  readonly denied: Set<string>;
  /** Removes an object without asking its finalizers. */
  purge(plural: string, key: string): void;
}

export function createCluster(): Cluster {
  const objects = new Map<string, Stored>();
  const history: Change[] = [];
  const watches = new Set<Watch>();
  /** By key, the fields of the spec that were applied last: an apply that leaves one out removes it, and no other's. */
  const applied = new Map<string, readonly string[]>();
  const denied = new Set<string>();
  let version = 100;
  let uids = 0;

  const at = (kind: KindAddress | string, ref: ObjectRef): string =>
    `${typeof kind === "string" ? kind : kind.plural}/${keyOf(ref)}`;

  function store(plural: string, object: Stored, type: Change["type"]): Stored {
    version += 1;
    object.metadata.resourceVersion = String(version);
    const key = at(plural, object.metadata);
    const before = objects.get(key);
    if (type === "DELETED") objects.delete(key);
    else objects.set(key, object);
    const change = { plural, type, object: structuredClone(object), version };
    history.push(change);
    for (const watch of watches) {
      const seen = seenBy(watch, change, before);
      if (seen) watch.queue.push(seen);
    }
    if (type !== "MODIFIED" || object.metadata.deletionTimestamp) setImmediate(collect);
    if (type !== "DELETED") setImmediate(() => control({ objects, store, born }, key));
    return structuredClone(object);
  }

  /** Garbage collection, and the end of what waits for nothing any more. */
  function collect(): void {
    const uidsAlive = new Set([...objects.values()].map(({ metadata }) => metadata.uid));
    for (const [key, object] of [...objects]) {
      const plural = key.slice(0, key.indexOf("/"));
      const owners = object.metadata.ownerReferences ?? [];
      const deadOwner = owners.some(({ uid }) => !uidsAlive.has(uid) || isDying(uid));
      if (deadOwner && !object.metadata.deletionTimestamp) store(plural, structuredClone(object), "DELETED");
      const waits = object.metadata.finalizers?.filter((name) => name !== "foregroundDeletion").length;
      const hasDependents = [...objects.values()].some(({ metadata }) =>
        metadata.ownerReferences?.some(({ uid }) => uid === object.metadata.uid),
      );
      if (object.metadata.deletionTimestamp && !waits && !hasDependents && objects.has(key)) {
        store(plural, structuredClone(object), "DELETED");
      }
    }
  }

  function isDying(uid: string): boolean {
    return [...objects.values()].some(
      ({ metadata }) => metadata.uid === uid && metadata.deletionTimestamp !== undefined,
    );
  }

  function born(ref: ObjectRef): Meta {
    uids += 1;
    const { name, namespace } = ref;
    const metadata = {
      name,
      uid: `uid-${uids}`,
      resourceVersion: "",
      generation: 1,
      creationTimestamp: "2026-01-01T00:00:00Z",
    };
    return namespace === undefined ? metadata : { ...metadata, namespace };
  }

  function present(kind: KindAddress, ref: ObjectRef): Stored {
    const found = objects.get(at(kind, ref));
    if (!found) throw kubeError(404, "NotFound", `${kind.plural} "${ref.name}" not found`);
    return structuredClone(found);
  }

  function change(kind: KindAddress, before: Stored, after: Stored): Stored {
    if (!isDeepStrictEqual(before.spec, after.spec)) after.metadata.generation += 1;
    if (isDeepStrictEqual(before, after)) return before;
    return store(kind.plural, after, "MODIFIED");
  }

  function add(kind: KindAddress, ref: ObjectRef, json: JsonObject): Stored {
    const namespace = ref.namespace;
    if (namespace?.startsWith("fairlead-peer-") && !objects.has(`namespaces/${namespace}`)) {
      throw kubeError(404, "NotFound", `namespaces "${namespace}" not found`);
    }
    const given = isJsonObject(json.metadata) ? json.metadata : {};
    return store(kind.plural, { ...json, metadata: { ...given, ...born(ref) } }, "ADDED");
  }

  const parse = <T>(kind: ResourceKind<T>, object: Stored): T =>
    kind.parse(JSON.parse(JSON.stringify({ apiVersion: apiVersionOf(kind), kind: kind.kind, ...object })));

  const refOfDraft = (object: { metadata: { name?: string; namespace?: string } }): ObjectRef => {
    const { name = "", namespace } = object.metadata;
    return namespace === undefined ? { name } : { name, namespace };
  };

  return {
    objects,
    denied,
    all: (plural) => [...objects].filter(([key]) => key.startsWith(`${plural}/`)).map(([, object]) => object),
    backup: () => structuredClone(objects),
    restore(backup, plurals) {
      for (const [key, object] of [...objects]) {
        const plural = key.slice(0, key.indexOf("/"));
        if (plurals.includes(plural) && !backup.has(key)) store(plural, structuredClone(object), "DELETED");
      }
      for (const [key, object] of backup) {
        const plural = key.slice(0, key.indexOf("/"));
        if (plurals.includes(plural)) store(plural, structuredClone(object), objects.has(key) ? "MODIFIED" : "ADDED");
      }
    },
    edit(plural, key, edit) {
      const before = objects.get(`${plural}/${key}`);
      if (!before) throw new Error(`There is no ${plural}/${key}.`);
      const after = structuredClone(before);
      edit(after);
      if (!isDeepStrictEqual(before.spec, after.spec)) after.metadata.generation += 1;
      store(plural, after, "MODIFIED");
    },
    purge(plural, key) {
      const object = objects.get(`${plural}/${key}`);
      if (object) store(plural, structuredClone(object), "DELETED");
    },

    async get(kind, ref) {
      const found = objects.get(at(kind, ref));
      return found && parse(kind, structuredClone(found));
    },
    async list(kind, { namespace, labelSelector, fieldSelector }) {
      mayRead(denied, kind, namespace, fieldSelector);
      const items = [...objects]
        .filter(
          ([key, { metadata }]) =>
            key.startsWith(`${kind.plural}/`) && (!namespace || metadata.namespace === namespace),
        )
        .filter(([, { metadata }]) => matches(metadata, labelSelector) && isNamed(metadata, fieldSelector))
        .map(([, object]) => parse(kind, structuredClone(object)));
      return { items, resourceVersion: String(version) };
    },
    async *watch<T>(kind: ResourceKind<T>, o: WatchOptions, signal: AbortSignal) {
      mayRead(denied, kind, o.namespace, o.fieldSelector);
      const watch: Watch = {
        plural: kind.plural,
        queue: new Queue<Change>(10_000),
        namespace: o.namespace,
        selector: o.labelSelector,
        field: o.fieldSelector,
      };
      for (const old of history)
        if (old.version > Number(o.resourceVersion) && isSeen(watch, old)) watch.queue.push(old);
      watches.add(watch);
      const onAbort = (): void => watch.queue.close(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      try {
        for await (const { type, object, version: at } of watch.queue) {
          const event: WatchEvent<T> = {
            type,
            object: parse(kind, structuredClone(object)),
            resourceVersion: String(at),
          };
          yield event;
        }
      } finally {
        watches.delete(watch);
        signal.removeEventListener("abort", onAbort);
      }
    },
    async create(kind, draft) {
      if (kind.plural === "selfsubjectaccessreviews") {
        return kind.parse({ metadata: {}, status: { allowed: !denied.has(reviewed(kind.format(draft))) } });
      }
      const ref = refOfDraft(draft);
      if (objects.has(at(kind, ref)))
        throw kubeError(409, "AlreadyExists", `${kind.plural} "${ref.name}" already exists`);
      return parse(kind, add(kind, ref, kind.format(draft)));
    },
    async update(kind, draft) {
      const before = present(kind, refOfDraft(draft));
      if (draft.metadata.resourceVersion !== before.metadata.resourceVersion) throw conflict();
      const json = kind.format(draft);
      const metadata = { ...before.metadata, ...(isJsonObject(json.metadata) ? json.metadata : {}) };
      return parse(kind, change(kind, before, { ...before, ...json, metadata }));
    },
    async apply(kind, draft, o) {
      const ref = refOfDraft(draft);
      const json = kind.format(draft);
      if (o.dryRun) return kind.parse(json);
      const found = objects.get(at(kind, ref));
      const spec = isJsonObject(json.spec) ? json.spec : {};
      const fieldsBefore = found ? (applied.get(at(kind, ref)) ?? []) : [];
      if (!found) {
        applied.set(at(kind, ref), Object.keys(spec));
        return parse(kind, add(kind, ref, json));
      }
      const before = structuredClone(found);
      const given: JsonObject = isJsonObject(json.metadata) ? json.metadata : {};
      if (given.resourceVersion !== undefined && given.resourceVersion !== before.metadata.resourceVersion)
        throw conflict();
      if (given.uid !== undefined && given.uid !== before.metadata.uid) throw conflict();
      const metadata = {
        ...before.metadata,
        ...given,
        labels: { ...before.metadata.labels, ...map(given.labels) },
        annotations: { ...before.metadata.annotations, ...map(given.annotations) },
      };
      applied.set(at(kind, ref), Object.keys(spec));
      const others = Object.entries(before.spec ?? {}).filter(([name]) => !fieldsBefore.includes(name));
      const after = json.spec === undefined ? {} : { spec: { ...Object.fromEntries(others), ...spec } };
      return parse(kind, change(kind, before, { ...before, ...json, ...after, metadata }));
    },
    async applyStatus(kind, draft) {
      const before = present(kind, refOfDraft(draft));
      if (draft.metadata.uid !== undefined && draft.metadata.uid !== before.metadata.uid) throw conflict();
      const { status } = kind.format(draft);
      return parse(kind, change(kind, before, { ...before, ...(isJsonObject(status) ? { status } : {}) }));
    },
    async mergePatch(kind, ref, patch) {
      const before = present(kind, ref);
      const after = structuredClone(before);
      const given = isJsonObject(patch.metadata) ? patch.metadata : {};
      if (given.resourceVersion !== undefined && given.resourceVersion !== before.metadata.resourceVersion)
        throw conflict();
      if (given.uid !== undefined && given.uid !== before.metadata.uid) throw conflict();
      if (Array.isArray(given.finalizers)) after.metadata.finalizers = given.finalizers.map(String);
      if (given.labels) after.metadata.labels = { ...after.metadata.labels, ...map(given.labels) };
      const annotations = { ...after.metadata.annotations, ...map(given.annotations) };
      after.metadata.annotations = Object.fromEntries(
        Object.entries(annotations).filter(([, value]) => value !== null),
      );
      if (isJsonObject(patch.spec)) after.spec = merged(after.spec ?? {}, patch.spec);
      if (patch.revision !== undefined) after.revision = patch.revision;
      return parse(kind, change(kind, before, after));
    },
    async delete(kind, ref, o) {
      const found = objects.get(at(kind, ref));
      if (!found) return false;
      if (o.uid !== undefined && o.uid !== found.metadata.uid) throw conflict();
      const object = structuredClone(found);
      const isForeground = o.propagation === "Foreground";
      if (isForeground)
        object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), "foregroundDeletion"])];
      if (object.metadata.finalizers?.length) {
        if (object.metadata.deletionTimestamp) return true;
        object.metadata.deletionTimestamp = "2026-01-01T00:00:01Z";
        store(kind.plural, object, "MODIFIED");
      } else store(kind.plural, object, "DELETED");
      return true;
    },
  };
}
