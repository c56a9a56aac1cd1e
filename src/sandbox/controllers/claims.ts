/**
 * PersistentVolumeClaims: bound when a pod that uses them is to run, as with a StorageClass that waits for the first
 * consumer, and kept while a pod uses them. The volume itself is a directory (`pods/storage.ts`); PersistentVolumes are not served.
 */
import type { KubeObject } from "../object.ts";
import { storeKey } from "../resource.ts";
import { builtin, type Controller, type ControllerDeps, keyOf, splitKey, startController } from "./controller.ts";
import { type Claim, isClaim, isPod, isPodGone, type Pod } from "./shapes.ts";

const manager = { manager: "pv-controller" };
const protection = "kubernetes.io/pvc-protection";

export function startClaimController(deps: ControllerDeps, storage: { forget(claimUid: string): void }): Controller {
  const claims = builtin(deps.registry, "", "persistentvolumeclaims");
  const pods = builtin(deps.registry, "", "pods");
  const { store } = deps.registry;
  const unsubscribe = store.subscribe(storeKey(claims), ({ type, object }) => {
    if (type === "DELETED") storage.forget(object.metadata.uid);
  });
  const controller = startController(deps, {
    name: "claims",
    watched: [
      { resource: claims, keysOf: (object) => [keyOf(object)] },
      { resource: pods, keysOf: claimsOf, afterMs: 5 },
    ],
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const claim = store.get(storeKey(claims), namespace, name);
      if (!claim?.metadata.deletionTimestamp) return;
      const isUsed = store
        .list(storeKey(pods), namespace)
        .filter(isPod)
        .some((pod) => namesOf(pod).includes(name) && (!isPodGone(pod) || pod.metadata.deletionTimestamp));
      if (isUsed) return;
      deps.registry.update(
        claims,
        namespace,
        name,
        (live) => ({
          ...live,
          metadata: { ...live.metadata, finalizers: live.metadata.finalizers?.filter((f) => f !== protection) },
        }),
        manager,
      );
    },
  });
  return {
    add: controller.add,
    async close() {
      unsubscribe();
      await controller.close();
    },
  };
}

/** Gives each claim of the pod its volume, or says which claim is missing, in the scheduler's words. */
export function bindClaims(deps: ControllerDeps, pod: Pod): string | undefined {
  const claims = builtin(deps.registry, "", "persistentvolumeclaims");
  const { namespace } = pod.metadata;
  const found: Claim[] = [];
  for (const name of namesOf(pod)) {
    const claim = deps.registry.store.get(storeKey(claims), namespace, name);
    if (!claim || !isClaim(claim)) return notFound(name, "not found");
    if (claim.metadata.deletionTimestamp) return notFound(name, "is being deleted");
    found.push(claim);
  }
  for (const claim of found) if (claim.status?.phase !== "Bound") bind(deps, claim);
  return undefined;
}

function bind(deps: ControllerDeps, claim: Claim): void {
  const claims = builtin(deps.registry, "", "persistentvolumeclaims");
  const { namespace, name, uid, annotations } = claim.metadata;
  deps.registry.update(
    claims,
    namespace,
    name,
    (live) => ({
      ...live,
      metadata: { ...live.metadata, annotations: { ...annotations, "pv.kubernetes.io/bind-completed": "yes" } },
      spec: { ...claim.spec, volumeName: `pvc-${uid}` },
    }),
    manager,
  );
  const { accessModes, resources } = claim.spec;
  const status = { phase: "Bound", accessModes, capacity: { storage: resources?.requests?.storage } };
  deps.registry.update(claims, namespace, name, (live) => ({ ...live, status }), { ...manager, subresource: "status" });
  deps.events.write(
    claim,
    "Normal",
    "ProvisioningSucceeded",
    `Successfully provisioned volume pvc-${uid}`,
    "pv-controller",
  );
}

function notFound(name: string, why: string): string {
  return `0/1 nodes are available: persistentvolumeclaim "${name}" ${why}. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.`;
}

function claimsOf(object: KubeObject): string[] {
  return isPod(object) ? namesOf(object).map((name) => `${object.metadata.namespace ?? ""}/${name}`) : [];
}

function namesOf(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? []);
}
