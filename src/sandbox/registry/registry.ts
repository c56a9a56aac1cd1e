/**
 * The rules of writing: what a create, an update, a patch, an apply and a delete do to an object, whoever asks. The
 * HTTP handlers and the sandbox's own controllers both write through it. Everything here is synchronous, so one write
 * is never interleaved with another.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { applyConfiguration, trackUpdate } from "../apply/managed-fields.ts";
import { at, clone, equal, isObject, type JsonObject } from "../json.ts";
import { assertObject, type KubeObject, type ManagedFieldsEntry, timestamp } from "../object.ts";
import { type Catalog, type Resource, storeKey } from "../resource.ts";
import type { Definitions } from "../schema/schema.ts";
import { alreadyExists, badRequest, conflict, forbidden, notFound } from "../status-error.ts";
import type { Store } from "../store.ts";
import { checkObject, decode, fillDefaults } from "./decode.ts";
import { randomSuffix } from "./names.ts";
import { prepareNew } from "./new-object.ts";
import type { DeleteOptions, WriteOptions } from "./options.ts";
import {
  baseEntries,
  checkFinalizersOnlyShrink,
  checkIdentity,
  checkPreconditions,
  keepServerFields,
  ownerOf,
  wishChanged,
  wrongNamespace,
} from "./transition.ts";

export interface RegistryDeps {
  store: Store;
  catalog: Catalog;
  definitions: Definitions;
  clock: Clock;
  /** Told before an object of this resource is stored; may throw to refuse it, and may return a changed one. */
  beforeStore?(resource: Resource, object: KubeObject): KubeObject;
}

export class Registry {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly #deps: RegistryDeps;

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
    this.store = deps.store;
    this.catalog = deps.catalog;
  }

  /** The object, or a 404. */
  get(resource: Resource, namespace: string | undefined, name: string): KubeObject {
    const found = this.store.get(storeKey(resource), namespace, name);
    if (!found) throw notFound(resource, name);
    return found;
  }

  create(resource: Resource, namespace: string | undefined, body: unknown, o: WriteOptions): KubeObject {
    const object = this.#decode(resource, body, o);
    if (resource.status) delete object.status;
    return this.#insert(resource, namespace, object, o, (after) => this.#track(resource, undefined, after, [], o));
  }

  /** Replaces the object by what `change` makes of a copy of it: the body of a PUT, or the copy patched. */
  update(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    change: (live: KubeObject) => unknown,
    o: WriteOptions,
  ): KubeObject {
    const live = this.get(resource, namespace, name);
    const next = this.#decode(resource, change(clone(live)), o);
    const metadata = isObject(next.metadata) ? next.metadata : {};
    checkIdentity(resource, live, metadata, name, namespace);
    const entries = baseEntries(live, metadata.managedFields);
    const merged = keepServerFields(resource, live, next, o.subresource);
    return this.#replace(resource, live, merged, o, (after) => this.#track(resource, live, after, entries, o));
  }

  /** Server-side apply: creates what is not there. */
  apply(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    body: unknown,
    o: WriteOptions,
  ): { object: KubeObject; created: boolean } {
    const config = this.#decode(resource, body, o);
    const metadata = isObject(config.metadata) ? config.metadata : {};
    if (metadata.managedFields !== undefined) throw badRequest("metadata.managedFields must be nil");
    metadata.name ??= name;
    if (o.subresource === "status") config.metadata = { name, ...(resource.namespaced ? { namespace } : {}) };
    else if (resource.status) delete config.status;
    const live = this.store.get(storeKey(resource), namespace, name);
    const owner = ownerOf(resource, "Apply", o);
    const time = timestamp(this.#deps.clock.now());
    const { schema } = resource;
    const force = o.force ?? false;
    if (!live) {
      if (o.subresource) throw notFound(resource, name);
      if (metadata.uid) {
        const why = `uid mismatch: the provided object specified uid ${String(metadata.uid)}, and no existing object was found`;
        throw conflict(resource, name, why);
      }
      if (metadata.resourceVersion) throw notFound(resource, name);
      const { merged, entries } = applyConfiguration({ live: {}, config, entries: [], owner, schema, time, force });
      return { object: this.#insert(resource, namespace, merged, o, () => entries), created: true };
    }
    checkIdentity(resource, live, metadata, name, namespace);
    if (resource.namespaced) metadata.namespace ??= namespace;
    const { resourceVersion: _rv, ...configMetadata } = metadata;
    const stated = { ...config, metadata: configMetadata };
    const { merged, entries } = applyConfiguration({
      live,
      config: stated,
      entries: live.metadata.managedFields,
      owner,
      schema,
      time,
      force,
    });
    const next = keepServerFields(resource, live, merged, o.subresource);
    return { object: this.#replace(resource, live, next, o, () => entries), created: false };
  }

  /** Deletes at once, or marks for deletion what finalizers hold. Answers the last state and whether it is gone. */
  delete(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    o: DeleteOptions = {},
  ): { object: KubeObject; gone: boolean } {
    const live = this.get(resource, namespace, name);
    const { metadata } = live;
    checkPreconditions(resource, live, o);
    const finalizers = new Set(metadata.finalizers ?? []);
    if (o.propagation === "Foreground") finalizers.add("foregroundDeletion");
    if (o.propagation === "Orphan") finalizers.add("orphan");
    const graceSeconds = this.#graceOf(resource, live, o);
    const isHeld = finalizers.size > 0 || graceSeconds > 0 || this.#isNamespaceWithContent(resource);
    if (o.dryRun) return { object: live, gone: !isHeld };
    if (!isHeld) return { object: this.store.remove(storeKey(resource), live), gone: true };
    const wasMarked = metadata.deletionTimestamp !== undefined;
    const shortened = graceSeconds < (metadata.deletionGracePeriodSeconds ?? 0);
    if (wasMarked && !shortened && finalizers.size === (metadata.finalizers ?? []).length)
      return { object: live, gone: false };
    const marked: KubeObject = {
      ...live,
      metadata: {
        ...metadata,
        ...(finalizers.size > 0 ? { finalizers: [...finalizers] } : {}),
        ...(!wasMarked || shortened
          ? {
              deletionTimestamp: timestamp(this.#deps.clock.now() + graceSeconds * 1000),
              deletionGracePeriodSeconds: graceSeconds,
            }
          : {}),
        ...(metadata.generation !== undefined && !wasMarked ? { generation: metadata.generation + 1 } : {}),
      },
      ...(resource.plural === "namespaces" && !resource.custom ? { status: { phase: "Terminating" } } : {}),
    };
    return { object: this.store.put(storeKey(resource), marked), gone: false };
  }

  /** The end of a Namespace or of a Pod's grace: removes the object unless a finalizer still holds it. */
  finish(resource: Resource, object: KubeObject): void {
    const live = this.store.get(storeKey(resource), object.metadata.namespace, object.metadata.name);
    if (!live || live.metadata.uid !== object.metadata.uid) return;
    if ((live.metadata.finalizers ?? []).length === 0) this.store.remove(storeKey(resource), live);
    else if (live.metadata.deletionGracePeriodSeconds) {
      this.store.put(storeKey(resource), { ...live, metadata: { ...live.metadata, deletionGracePeriodSeconds: 0 } });
    }
  }

  #decode(resource: Resource, body: unknown, o: WriteOptions): JsonObject {
    return decode(resource, body, this.#deps.definitions, o.fieldValidation ?? "Warn", o.warn ?? (() => undefined));
  }

  #insert(
    resource: Resource,
    namespace: string | undefined,
    object: JsonObject,
    o: WriteOptions,
    entriesOf: (after: JsonObject) => ManagedFieldsEntry[],
  ): KubeObject {
    const given = isObject(object.metadata) ? object.metadata : {};
    if (given.namespace !== undefined && given.namespace !== namespace)
      throw wrongNamespace(given.namespace, namespace);
    let name = typeof given.name === "string" ? given.name : "";
    if (!name && typeof given.generateName === "string" && given.generateName)
      name = `${given.generateName.slice(0, 58)}${randomSuffix()}`;
    if (namespace !== undefined) this.#checkNamespace(resource, namespace, name);
    const { managedFields: _m, deletionTimestamp: _d, deletionGracePeriodSeconds: _g, selfLink: _s, ...kept } = given;
    const now = this.#deps.clock.now();
    object.metadata = {
      ...kept,
      name,
      ...(namespace !== undefined ? { namespace } : {}),
      uid: randomUUID(),
      creationTimestamp: timestamp(now),
      ...(resource.generation ? { generation: 1 } : {}),
    };
    if (given.resourceVersion) throw badRequest("resourceVersion should not be set on objects to be created");
    fillDefaults(resource, object);
    prepareNew(resource, object, { store: this.store, nowMs: now });
    checkObject(resource, object, undefined);
    if (this.store.get(storeKey(resource), namespace, name)) throw alreadyExists(resource, name);
    return this.#store(resource, object, entriesOf(object), o);
  }

  #replace(
    resource: Resource,
    live: KubeObject,
    next: JsonObject,
    o: WriteOptions,
    entriesOf: (after: JsonObject) => ManagedFieldsEntry[],
  ): KubeObject {
    fillDefaults(resource, next);
    const metadata = isObject(next.metadata) ? next.metadata : {};
    if (resource.generation && wishChanged(resource, live, next))
      metadata.generation = (live.metadata.generation ?? 0) + 1;
    checkObject(resource, next, live);
    if (live.metadata.deletionTimestamp) checkFinalizersOnlyShrink(resource, live, metadata);
    const entries = entriesOf(next);
    const same = equal(
      { ...next, metadata: { ...metadata, managedFields: [] } },
      { ...live, metadata: { ...live.metadata, managedFields: [] } },
    );
    if (same && equal(entries, live.metadata.managedFields ?? [])) return live;
    return this.#store(resource, next, entries, o);
  }

  #store(resource: Resource, object: JsonObject, entries: ManagedFieldsEntry[], o: WriteOptions): KubeObject {
    const metadata = isObject(object.metadata) ? object.metadata : {};
    const { managedFields: _old, ...rest } = metadata;
    const made = { ...object, metadata: { ...rest, ...(entries.length > 0 ? { managedFields: entries } : {}) } };
    const checked = assertObject(made);
    const admitted = this.#deps.beforeStore?.(resource, checked) ?? checked;
    if (o.dryRun) return admitted;
    const { deletionTimestamp, deletionGracePeriodSeconds, finalizers = [] } = admitted.metadata;
    // The write that takes away the last finalizer of a deleted object is its end.
    const isReleased = deletionTimestamp && finalizers.length === 0 && !deletionGracePeriodSeconds;
    if (isReleased && !this.#isNamespaceWithContent(resource)) return this.store.remove(storeKey(resource), admitted);
    return this.store.put(storeKey(resource), admitted);
  }

  #track(
    resource: Resource,
    before: KubeObject | undefined,
    after: JsonObject,
    entries: readonly ManagedFieldsEntry[] | undefined,
    o: WriteOptions,
  ): ManagedFieldsEntry[] {
    const time = timestamp(this.#deps.clock.now());
    return trackUpdate({
      before,
      after,
      entries,
      owner: ownerOf(resource, "Update", o),
      schema: resource.schema,
      time,
    });
  }

  #checkNamespace(resource: Resource, namespace: string, name: string): void {
    const about = { group: "", plural: "namespaces", kind: "Namespace" };
    const found = this.store.get(storeKey(about), undefined, namespace);
    if (!found) throw notFound(about, namespace);
    if (found.metadata.deletionTimestamp) {
      const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
      const cause = {
        reason: "NamespaceTerminating",
        message: `namespace ${namespace} is being terminated`,
        field: "metadata.namespace",
      };
      throw forbidden(resource, name, why, [cause]);
    }
  }

  #graceOf(resource: Resource, live: KubeObject, o: DeleteOptions): number {
    if (resource.plural !== "pods" || resource.custom || at(live, "spec", "nodeName") === undefined) return 0;
    const declared = at(live, "spec", "terminationGracePeriodSeconds");
    const phase = at(live, "status", "phase");
    if (phase === "Succeeded" || phase === "Failed") return 0;
    return o.gracePeriodSeconds ?? (typeof declared === "number" ? declared : 30);
  }

  #isNamespaceWithContent(resource: Resource): boolean {
    return resource.plural === "namespaces" && resource.group === "";
  }
}
