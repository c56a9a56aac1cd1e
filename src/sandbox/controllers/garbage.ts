/**
 * Owners and what they own: an object whose owners are all gone is deleted; a foreground deletion waits for what it
 * owns; an orphaning one lets it go.
 */
import type { KubeObject } from "../object.ts";
import { type Resource, storeKey } from "../resource.ts";
import { type Controller, type ControllerDeps, startController } from "./controller.ts";

interface Place {
  /** The key of its resource in the store. */
  key: string;
  namespace: string | undefined;
  name: string;
}

const manager = { manager: "garbage-collector" };

export function startGarbageCollector(deps: ControllerDeps): Controller {
  const { store, catalog } = deps.registry;
  const living = new Map<string, Place>();
  const dependents = new Map<string, Map<string, Place>>();

  const controller = startController(deps, { name: "garbage", watched: [], reconcile: async (uid) => collect(uid) });
  const unsubscribe = store.subscribeAll((resourceKey, change) => {
    const { uid, namespace, name, ownerReferences = [] } = change.object.metadata;
    for (const owner of change.previous?.metadata.ownerReferences ?? []) dependents.get(owner.uid)?.delete(uid);
    if (change.type === "DELETED") {
      living.delete(uid);
      for (const owner of ownerReferences) controller.add(owner.uid);
      if (dependents.has(uid)) controller.add(uid);
      return;
    }
    const place = { key: resourceKey, namespace, name };
    living.set(uid, place);
    for (const owner of ownerReferences) {
      const known = dependents.get(owner.uid) ?? new Map<string, Place>();
      known.set(uid, place);
      dependents.set(owner.uid, known);
      if (!living.has(owner.uid)) controller.add(owner.uid);
    }
    if (change.object.metadata.deletionTimestamp && change.object.metadata.finalizers) controller.add(uid);
  });

  function collect(uid: string): void {
    const owned = [...(dependents.get(uid)?.values() ?? [])].flatMap((place) => find(place) ?? []);
    if (!living.has(uid)) {
      // The owner is gone, or never was.
      for (const { resource, object } of owned) release(resource, object, uid);
      if (owned.length === 0) dependents.delete(uid);
      return;
    }
    const place = living.get(uid);
    const found = place ? find(place) : undefined;
    const finalizers = found?.object.metadata.finalizers ?? [];
    if (!found?.object.metadata.deletionTimestamp) return;
    if (finalizers.includes("orphan")) {
      for (const { resource, object } of owned) disown(resource, object, uid);
      removeFinalizer(found, "orphan");
    } else if (finalizers.includes("foregroundDeletion")) {
      for (const { resource, object } of owned) {
        if (!object.metadata.deletionTimestamp) remove(resource, object, "Foreground");
      }
      if (!owned.some(({ object }) => blocks(object, uid))) removeFinalizer(found, "foregroundDeletion");
    }
  }

  /** Deletes a dependent whose last owner this was; otherwise only the reference goes. */
  function release(resource: Resource, object: KubeObject, uid: string): void {
    const others = (object.metadata.ownerReferences ?? []).filter(
      (owner) => owner.uid !== uid && living.has(owner.uid),
    );
    if (others.length > 0) disown(resource, object, uid);
    else if (!object.metadata.deletionTimestamp) remove(resource, object, "Background");
  }

  function remove(resource: Resource, object: KubeObject, propagation: "Background" | "Foreground"): void {
    const { namespace, name, uid } = object.metadata;
    const waits = propagation === "Foreground" && (dependents.get(uid)?.size ?? 0) > 0;
    deps.registry.delete(resource, namespace, name, { uid, ...(waits ? { propagation } : {}) });
  }

  function disown(resource: Resource, object: KubeObject, uid: string): void {
    const { namespace, name } = object.metadata;
    deps.registry.update(
      resource,
      namespace,
      name,
      (live) => ({
        ...live,
        metadata: {
          ...live.metadata,
          ownerReferences: (live.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid),
        },
      }),
      manager,
    );
  }

  function removeFinalizer({ resource, object }: { resource: Resource; object: KubeObject }, finalizer: string): void {
    const { namespace, name } = object.metadata;
    deps.registry.update(
      resource,
      namespace,
      name,
      (live) => ({
        ...live,
        metadata: { ...live.metadata, finalizers: (live.metadata.finalizers ?? []).filter((f) => f !== finalizer) },
      }),
      manager,
    );
  }

  function find({ key, namespace, name }: Place): { resource: Resource; object: KubeObject } | undefined {
    const resource = catalog.list().find((candidate) => storeKey(candidate) === key);
    const object = store.get(key, namespace, name);
    return resource && object ? { resource, object } : undefined;
  }

  return {
    add: controller.add,
    async close() {
      unsubscribe();
      await controller.close();
    },
  };
}

function blocks(object: KubeObject, uid: string): boolean {
  return object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion) ?? false;
}
