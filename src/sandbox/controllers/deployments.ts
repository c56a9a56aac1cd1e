/** Deployments: a ReplicaSet for each pod template, moved between by `rollout.ts`, and a status that says how far it is. */
import { createHash } from "node:crypto";
import { canonical, equal } from "../json.ts";
import { type Resource, storeKey } from "../resource.ts";
import { builtin, type Controller, type ControllerDeps, splitKey, startController, withOwned } from "./controller.ts";
import { deploymentStatus } from "./deployment-status.ts";
import { planRollout } from "./rollout.ts";
import {
  controllerReference,
  type Deployment,
  isDeployment,
  isPod,
  isPodGone,
  isReplicaSet,
  type PodTemplate,
  type ReplicaSet,
} from "./shapes.ts";

const manager = { manager: "deployment-controller" };
const hashLabel = "pod-template-hash";
const revisionAnnotation = "deployment.kubernetes.io/revision";

export function startDeploymentController(deps: ControllerDeps): Controller {
  const deployments = builtin(deps.registry, "apps", "deployments");
  const replicaSets = builtin(deps.registry, "apps", "replicasets");
  const { store } = deps.registry;
  return startController(deps, {
    name: "deployments",
    watched: withOwned("Deployment", deployments, replicaSets),
    async reconcile(key) {
      const { namespace, name } = splitKey(key);
      const found = store.get(storeKey(deployments), namespace, name);
      if (!found || !isDeployment(found) || found.metadata.deletionTimestamp) return;
      const owned = store
        .controlledBy(storeKey(replicaSets), found.metadata.uid)
        .filter(isReplicaSet)
        .filter((set) => !set.metadata.deletionTimestamp);
      const next =
        owned.find((set) => equal(templateOf(set), found.spec.template)) ??
        createReplicaSet(deps, replicaSets, found, owned);
      const olds = owned.filter((set) => set !== next).sort((a, b) => revisionOf(a) - revisionOf(b));
      if (!found.spec.paused) roll(deps, replicaSets, found, next, olds);
      forgetOldest(deps, replicaSets, olds, found.spec.revisionHistoryLimit ?? 10);
      const sets = store.controlledBy(storeKey(replicaSets), found.metadata.uid).filter(isReplicaSet);
      const status = deploymentStatus(
        found,
        sets.find((set) => set.metadata.uid === next.metadata.uid) ?? next,
        sets,
        deps.clock.now(),
      );
      deps.registry.update(deployments, namespace, name, (live) => ({ ...live, status: status.status }), {
        ...manager,
        subresource: "status",
      });
      return status.againMs === undefined ? undefined : { againMs: status.againMs };
    },
  });
}

function roll(
  deps: ControllerDeps,
  resource: Resource,
  deployment: Deployment,
  next: ReplicaSet,
  olds: readonly ReplicaSet[],
): void {
  const { replicas, strategy } = deployment.spec;
  const plan = planRollout({
    replicas,
    strategy: strategy.type,
    maxSurge: strategy.rollingUpdate?.maxSurge ?? "25%",
    maxUnavailable: strategy.rollingUpdate?.maxUnavailable ?? "25%",
    next: { replicas: next.spec.replicas, available: next.status?.availableReplicas ?? 0 },
    olds: olds.map((set) => ({
      name: set.metadata.name,
      replicas: set.spec.replicas,
      available: set.status?.availableReplicas ?? 0,
      pods: podsOf(deps, set),
    })),
  });
  const scale = (set: ReplicaSet, wanted: number): void => {
    if (set.spec.replicas === wanted) return;
    const direction = wanted > set.spec.replicas ? "up" : "down";
    const change = { replicas: wanted };
    deps.registry.update(
      resource,
      set.metadata.namespace,
      set.metadata.name,
      (live) => ({ ...live, spec: { ...set.spec, ...change } }),
      manager,
    );
    const message = `Scaled ${direction} replica set ${set.metadata.name} from ${set.spec.replicas} to ${wanted}`;
    deps.events.write(deployment, "Normal", "ScalingReplicaSet", message, "deployment-controller");
  };
  scale(next, plan.next);
  for (const old of olds) scale(old, plan.olds.get(old.metadata.name) ?? 0);
}

function podsOf(deps: ControllerDeps, set: ReplicaSet): number {
  const pods = deps.registry.store.controlledBy("/pods", set.metadata.uid).filter(isPod);
  return pods.filter((pod) => !isPodGone(pod) || pod.metadata.deletionTimestamp).length;
}

function createReplicaSet(
  deps: ControllerDeps,
  resource: Resource,
  deployment: Deployment,
  siblings: readonly ReplicaSet[],
): ReplicaSet {
  const { template, selector } = deployment.spec;
  const hash = createHash("sha256").update(canonical(template)).digest("hex").slice(0, 10);
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  const revision = Math.max(0, ...siblings.map(revisionOf)) + 1;
  const body = {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      labels,
      annotations: { [revisionAnnotation]: String(revision) },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas: 0,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
  const created = deps.registry.create(resource, deployment.metadata.namespace, body, manager);
  if (!isReplicaSet(created)) throw new Error("a created ReplicaSet is one");
  return created;
}

/** The template as the Deployment wrote it, without the label that tells ReplicaSets apart. */
function templateOf(set: ReplicaSet): PodTemplate {
  const { template } = set.spec;
  const { [hashLabel]: _hash, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[revisionAnnotation] ?? 0);
}

function forgetOldest(deps: ControllerDeps, resource: Resource, olds: readonly ReplicaSet[], limit: number): void {
  const idle = olds.filter((set) => set.spec.replicas === 0 && (set.status?.replicas ?? 0) === 0);
  for (const set of idle.slice(0, Math.max(0, idle.length - limit))) {
    deps.registry.delete(resource, set.metadata.namespace, set.metadata.name, { uid: set.metadata.uid });
  }
}
