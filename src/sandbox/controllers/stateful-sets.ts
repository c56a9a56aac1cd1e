/**
 * StatefulSets: pods with a number, one after the other, each with claims of its own that outlive it. What a template
 * said is kept in ControllerRevisions, as in a cluster: a pod that is lost while an update is under way comes back as it
 * was.
 */
import { type Resource, storeKey } from "../resource.ts";
import { builtin, type Controller, type ControllerDeps, splitKey, startController, withOwned } from "./controller.ts";
import { isPod, isPodReady, isStatefulSet, type Pod, type StatefulSet } from "./shapes.ts";
import { createPod, retainClaims } from "./stateful-pods.ts";
import { forgetRevisions, revisionsOf, type StatefulRevisions } from "./stateful-revisions.ts";

const component = "statefulset-controller";
const manager = { manager: component };
const revisionLabel = "controller-revision-hash";

export function startStatefulSetController(deps: ControllerDeps): Controller {
  const sets = builtin(deps.registry, "apps", "statefulsets");
  const pods = builtin(deps.registry, "", "pods");
  const { store } = deps.registry;
  return startController(deps, {
    name: "statefulsets",
    watched: withOwned("StatefulSet", sets, pods),
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const set = store.get(storeKey(sets), namespace, name);
      if (!set || !isStatefulSet(set) || set.metadata.deletionTimestamp) return;
      const revisions = revisionsOf(deps, set);
      const owned = (): Pod[] => store.controlledBy(storeKey(pods), set.metadata.uid).filter(isPod);
      retainClaims(deps, set, owned());
      step(deps, pods, set, revisions, owned());
      const now = owned();
      const status = statusOf(set, revisions, now);
      forgetRevisions(deps, set, revisions, now.map(revisionOfPod));
      deps.registry.update(sets, namespace, name, (live) => ({ ...live, status }), {
        ...manager,
        subresource: "status",
      });
    },
  });
}

/** One step towards what is wanted. With OrderedReady nothing is done while a pod before it is not ready. */
function step(
  deps: ControllerDeps,
  pods: Resource,
  set: StatefulSet,
  revisions: StatefulRevisions,
  owned: Pod[],
): void {
  const { spec } = set;
  const start = spec.ordinals?.start ?? 0;
  const inOrder = spec.podManagementPolicy !== "Parallel";
  const byOrdinal = new Map(owned.map((pod) => [ordinalOf(set, pod), pod]));
  const wanted = Array.from({ length: spec.replicas }, (_, i) => start + i);
  const remove = (pod: Pod): void => {
    if (pod.metadata.deletionTimestamp) return;
    const { namespace, name, uid } = pod.metadata;
    deps.registry.delete(pods, namespace, name, { uid });
    const message = `delete Pod ${name} in StatefulSet ${set.metadata.name} successful`;
    deps.events.write(set, "Normal", "SuccessfulDelete", message, component);
  };
  for (const ordinal of wanted) {
    const pod = byOrdinal.get(ordinal);
    if (!pod) createPod(deps, set, ordinal, revisions.forOrdinal(ordinal));
    else if (pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded") remove(pod);
    else if (pod.metadata.deletionTimestamp === undefined && isPodReady(pod)) continue;
    if (inOrder) return;
  }
  const condemned = [...byOrdinal].filter(([ordinal]) => !wanted.includes(ordinal)).sort(([a], [b]) => b - a);
  for (const [, pod] of condemned) {
    remove(pod);
    if (inOrder) return;
  }
  if (spec.updateStrategy.type !== "RollingUpdate") return;
  const partition = spec.updateStrategy.rollingUpdate?.partition ?? 0;
  for (const ordinal of wanted.reverse()) {
    const pod = byOrdinal.get(ordinal);
    if (!pod || ordinal < start + partition) return;
    const isOld = revisionOfPod(pod) !== revisions.update.metadata.name;
    if (isOld) remove(pod);
    if (isOld || !isPodReady(pod) || pod.metadata.deletionTimestamp) return;
  }
}

function statusOf(set: StatefulSet, revisions: StatefulRevisions, owned: readonly Pod[]): Record<string, unknown> {
  const living = owned.filter((pod) => !pod.metadata.deletionTimestamp);
  const ready = living.filter(isPodReady).length;
  const at = (revision: string): number => living.filter((pod) => revisionOfPod(pod) === revision).length;
  const update = revisions.update.metadata.name;
  const updated = at(update);
  const { replicas, updateStrategy } = set.spec;
  const isComplete =
    updateStrategy.type === "RollingUpdate" && updated === replicas && owned.length === replicas && ready === replicas;
  const current = isComplete ? update : revisions.current.metadata.name;
  return {
    observedGeneration: set.metadata.generation,
    replicas: owned.length,
    ...counted({ readyReplicas: ready, currentReplicas: at(current), updatedReplicas: updated }),
    availableReplicas: ready,
    currentRevision: current,
    updateRevision: update,
    collisionCount: 0,
  };
}

/** Kubernetes leaves zeros out. */
function counted(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

function ordinalOf(set: StatefulSet, pod: Pod): number {
  return Number(pod.metadata.name.slice(set.metadata.name.length + 1));
}

function revisionOfPod(pod: Pod): string {
  return pod.metadata.labels?.[revisionLabel] ?? "";
}
