/** What runs in one peer's namespace, watched: what the agent made there for Workloads, and its pods. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { ObjectMeta } from "../../kube/object.ts";
import { createReflector } from "../../kube/reflector.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import {
  type Deployment,
  deployments,
  type NetworkPolicy,
  networkPolicies,
  type Pod,
  pods,
  type Service,
  services,
} from "../../kube/resources.ts";
import { createLatest, type Latest } from "../latest.ts";
import { labels } from "./names.ts";

export interface Room {
  readonly deployments: Latest<Deployment>;
  readonly services: Latest<Service>;
  readonly networkPolicies: Latest<NetworkPolicy>;
  /** The pods of one Workload. */
  podsOf(workload: string): readonly Pod[];
  /** Whether all that exists here is known. */
  readonly isSynced: boolean;
  close(): Promise<void>;
}

/** `onChange` is called with a Workload's name after anything of it changed, and with undefined once all is known. */
export function openRoom(deps: {
  client: Pick<KubeClient, "list" | "watch">;
  namespace: string;
  onChange(workload: string | undefined): void;
  clock: Clock;
  log: Log;
}): Room {
  const watched: Latest<Labelled>[] = [];
  const closing = new AbortController();
  const podsByWorkload = new Map<string, Map<string, Pod>>();

  function watch<T extends { metadata: ObjectMeta }>(kind: ResourceKind<T>): Latest<T> {
    const { client, namespace, clock, log } = deps;
    const labelSelector = `${labels.managedBy}=fairlead`;
    return createLatest(createReflector({ client, kind, namespace, labelSelector, clock, log }));
  }

  const room = {
    deployments: watch(deployments),
    services: watch(services),
    networkPolicies: watch(networkPolicies),
    pods: watch(pods),
  };
  room.pods.subscribe((key, pod, before) => {
    const workload = workloadOf(pod ?? before);
    const known = podsByWorkload.get(workload) ?? new Map<string, Pod>();
    if (pod) known.set(key, pod);
    else known.delete(key);
    if (known.size > 0) podsByWorkload.set(workload, known);
    else podsByWorkload.delete(workload);
    deps.onChange(workload);
  });
  const onObject = (_key: string, object: Labelled | undefined, before: Labelled | undefined): void => {
    const workload = workloadOf(object ?? before);
    if (workload !== "") deps.onChange(workload);
  };
  room.deployments.subscribe(onObject);
  room.services.subscribe(onObject);
  room.networkPolicies.subscribe(onObject);
  watched.push(room.deployments, room.services, room.networkPolicies, room.pods);
  Promise.all(watched.map((latest) => latest.synced(closing.signal))).then(
    () => deps.onChange(undefined),
    () => undefined, // The room closed before.
  );

  return {
    deployments: room.deployments,
    services: room.services,
    networkPolicies: room.networkPolicies,
    podsOf: (workload) => [...(podsByWorkload.get(workload)?.values() ?? [])],
    get isSynced() {
      return watched.every((latest) => latest.isSynced);
    },
    async close() {
      closing.abort(new Error("The namespace is no longer watched."));
      await Promise.all(watched.map((latest) => latest.close()));
    },
  };
}

type Labelled = { metadata: ObjectMeta };

function workloadOf(object: Labelled | undefined): string {
  return object?.metadata.labels?.[labels.workload] ?? "";
}
