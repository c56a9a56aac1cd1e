/** ReplicaSets: as many pods as wanted, no more. */
import { type Resource, storeKey } from "../resource.ts";
import { builtin, type Controller, type ControllerDeps, splitKey, startController, withOwned } from "./controller.ts";
import {
  controllerReference,
  isPod,
  isPodGone,
  isPodReady,
  isReplicaSet,
  type Pod,
  type ReplicaSet,
} from "./shapes.ts";

const component = "replicaset-controller";

export function startReplicaSetController(deps: ControllerDeps): Controller {
  const replicaSets = builtin(deps.registry, "apps", "replicasets");
  const pods = builtin(deps.registry, "", "pods");
  const { store } = deps.registry;
  return startController(deps, {
    name: "replicasets",
    watched: withOwned("ReplicaSet", replicaSets, pods),
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const set = store.get(storeKey(replicaSets), namespace, name);
      if (!set || !isReplicaSet(set) || set.metadata.deletionTimestamp) return;
      const alive = (): Pod[] =>
        store
          .controlledBy(storeKey(pods), set.metadata.uid)
          .filter(isPod)
          .filter((pod) => !isPodGone(pod));
      balance(deps, pods, set, alive());
      const now = alive();
      const ready = now.filter(isPodReady).length;
      const status = {
        replicas: now.length,
        ...(now.length > 0 ? { fullyLabeledReplicas: now.length } : {}),
        ...(ready > 0 ? { readyReplicas: ready, availableReplicas: ready } : {}),
        observedGeneration: set.metadata.generation,
      };
      deps.registry.update(replicaSets, namespace, name, (live) => ({ ...live, status }), {
        manager: component,
        subresource: "status",
      });
    },
  });
}

function balance(deps: ControllerDeps, pods: Resource, set: ReplicaSet, alive: readonly Pod[]): void {
  const { namespace, name } = set.metadata;
  for (let missing = set.spec.replicas - alive.length; missing > 0; missing--) {
    const { template } = set.spec;
    const metadata = { ...template.metadata, generateName: `${name}-`, ownerReferences: [controllerReference(set)] };
    const pod = deps.registry.create(pods, namespace, { metadata, spec: template.spec }, { manager: component });
    deps.events.write(set, "Normal", "SuccessfulCreate", `Created pod: ${pod.metadata.name}`, component);
  }
  const surplus = alive.length - set.spec.replicas;
  if (surplus <= 0) return;
  // Those that do not work go first, then the youngest.
  const order = [...alive].sort(
    (a, b) =>
      Number(isPodReady(a)) - Number(isPodReady(b)) ||
      b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp),
  );
  for (const pod of order.slice(0, surplus)) {
    deps.registry.delete(pods, namespace, pod.metadata.name, { uid: pod.metadata.uid });
    deps.events.write(set, "Normal", "SuccessfulDelete", `Deleted pod: ${pod.metadata.name}`, component);
  }
}
