/** The pods of a StatefulSet and the claims that belong to each. */
import { type Resource, storeKey } from "../resource.ts";
import { builtin, type ControllerDeps } from "./controller.ts";
import { type ControllerRevision, controllerReference, type Pod, type StatefulSet } from "./shapes.ts";
import { templateOf } from "./stateful-revisions.ts";

const component = "statefulset-controller";
const manager = { manager: component };

/** Makes the pod of that number, with its claims where they are not there yet. */
export function createPod(deps: ControllerDeps, set: StatefulSet, ordinal: number, revision: ControllerRevision): void {
  const { namespace, name } = set.metadata;
  const pods = builtin(deps.registry, "", "pods");
  const claims = builtin(deps.registry, "", "persistentvolumeclaims");
  const pod = `${name}-${ordinal}`;
  const template = templateOf(revision);
  const { volumes = [], ...spec } = template.spec;
  const claimed = (set.spec.volumeClaimTemplates ?? []).map(({ metadata, spec: claimSpec }) => {
    const claim = { name: `${metadata.name}-${pod}`, volume: metadata.name };
    ensureClaim(deps, claims, set, claim.name, metadata, claimSpec);
    return claim;
  });
  const others = Array.isArray(volumes)
    ? volumes.filter((volume) => !claimed.some((claim) => claim.volume === volume.name))
    : [];
  deps.registry.create(
    pods,
    namespace,
    {
      metadata: {
        ...template.metadata,
        name: pod,
        labels: {
          ...template.metadata?.labels,
          "apps.kubernetes.io/pod-index": String(ordinal),
          "controller-revision-hash": revision.metadata.name,
          "statefulset.kubernetes.io/pod-name": pod,
        },
        ownerReferences: [controllerReference(set)],
      },
      spec: {
        ...spec,
        volumes: [
          ...others,
          ...claimed.map((claim) => ({ name: claim.volume, persistentVolumeClaim: { claimName: claim.name } })),
        ],
        hostname: pod,
        ...(set.spec.serviceName ? { subdomain: set.spec.serviceName } : {}),
      },
    },
    manager,
  );
  const message = `create Pod ${pod} in StatefulSet ${name} successful`;
  deps.events.write(set, "Normal", "SuccessfulCreate", message, component);
}

function ensureClaim(
  deps: ControllerDeps,
  claims: Resource,
  set: StatefulSet,
  name: string,
  metadata: Record<string, unknown>,
  spec: Record<string, unknown>,
): void {
  const { namespace } = set.metadata;
  if (deps.registry.store.get(storeKey(claims), namespace, name)) return;
  const labels = { ...(metadata.labels as object | undefined), ...set.spec.selector.matchLabels };
  deps.registry.create(claims, namespace, { metadata: { ...metadata, name, labels }, spec }, manager);
  const message = `create Claim ${name} Pod ${name.slice(String(metadata.name).length + 1)} in StatefulSet ${set.metadata.name} success`;
  deps.events.write(set, "Normal", "SuccessfulCreate", message, component);
}

/** A claim goes with the set or with its pod where the set says so: then it is theirs, and otherwise nobody's. */
export function retainClaims(deps: ControllerDeps, set: StatefulSet, owned: readonly Pod[]): void {
  const claims = builtin(deps.registry, "", "persistentvolumeclaims");
  const { whenDeleted, whenScaled } = set.spec.persistentVolumeClaimRetentionPolicy ?? {};
  const start = set.spec.ordinals?.start ?? 0;
  for (const pod of owned) {
    const ordinal = Number(pod.metadata.name.slice(set.metadata.name.length + 1));
    const isCondemned = ordinal < start || ordinal >= start + set.spec.replicas;
    const owner =
      isCondemned && whenScaled === "Delete" ? pod : !isCondemned && whenDeleted === "Delete" ? set : undefined;
    for (const { metadata } of set.spec.volumeClaimTemplates ?? []) {
      const name = `${metadata.name}-${pod.metadata.name}`;
      const claim = deps.registry.store.get(storeKey(claims), set.metadata.namespace, name);
      if (!claim || claim.metadata.deletionTimestamp) continue;
      const others = (claim.metadata.ownerReferences ?? []).filter(
        ({ uid, kind }) => uid !== set.metadata.uid && kind !== "Pod",
      );
      const ownerReferences = owner ? [...others, referenceTo(owner)] : others;
      deps.registry.update(
        claims,
        set.metadata.namespace,
        name,
        (live) => ({ ...live, metadata: { ...live.metadata, ownerReferences } }),
        manager,
      );
    }
  }
}

function referenceTo(owner: Pod | StatefulSet) {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid };
}
