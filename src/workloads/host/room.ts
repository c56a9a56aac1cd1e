/**
 * What runs in one peer's namespace, watched: what the agent made there for Workloads, and its pods. Of kinds that few apps need
 * nothing is asked until one does.
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { AppEvent } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { ObjectMeta } from "../../kube/object.ts";
import { createReflector } from "../../kube/reflector.ts";
import type { ResourceKind } from "../../kube/resource-kind.ts";
import {
  type CronJob,
  cronJobs,
  type Deployment,
  deployments,
  type Job,
  jobs,
  type NetworkPolicy,
  networkPolicies,
  type PersistentVolumeClaim,
  type Pod,
  persistentVolumeClaims,
  pods,
  type Service,
  type StatefulSet,
  services,
  statefulSets,
} from "../../kube/resources.ts";
import { createLatest, type Latest } from "../latest.ts";
import { createEventBook } from "./event-book.ts";
import { labels } from "./names.ts";

export interface Room {
  readonly deployments: Latest<Deployment>;
  readonly services: Latest<Service>;
  readonly networkPolicies: Latest<NetworkPolicy>;
  /** Watched from when they are first asked for; until they are synced, nothing of them is known. */
  readonly statefulSets: Latest<StatefulSet>;
  readonly claims: Latest<PersistentVolumeClaim>;
  readonly jobs: Latest<Job>;
  readonly cronJobs: Latest<CronJob>;
  /** The Jobs of one Workload, its own or its CronJob's. */
  jobsOf(workload: string): readonly Job[];
  /** The pods of one Workload. */
  podsOf(workload: string): readonly Pod[];
  /**
   * What happened to one Workload lately, the latest first; `lasting` is what that of it is called which outlasts it, and from
   * now on what happens to that is told as news of the Workload.
   */
  eventsOf(workload: string, lasting: string): readonly AppEvent[];
  /** Whether all that exists here is known, of what was asked for. */
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
  const watched = new Map<string, Latest<Labelled>>();
  const closing = new AbortController();
  const podsByWorkload = new Map<string, Map<string, Pod>>();

  function watch<T extends Labelled>(kind: ResourceKind<T>): Latest<T> {
    const { client, namespace, clock, log } = deps;
    const labelSelector = `${labels.managedBy}=fairlead`;
    const latest = createLatest(createReflector({ client, kind, namespace, labelSelector, clock, log }));
    watched.set(kind.plural, latest);
    return latest;
  }

  function follow<T extends Labelled>(latest: Latest<T>): Latest<T> {
    latest.subscribe((_key, object, before) => {
      const workload = workloadOf(object ?? before);
      if (workload !== "") deps.onChange(workload);
    });
    return latest;
  }

  /** Watches from the first call on. */
  function lazily<T extends Labelled>(kind: ResourceKind<T>): () => Latest<T> {
    let latest: Latest<T> | undefined;
    return () => {
      if (latest) return latest;
      latest = follow(watch(kind));
      tellWhenSynced([latest]);
      return latest;
    };
  }

  function tellWhenSynced(all: readonly Pick<Latest<Labelled>, "synced">[]): void {
    Promise.all(all.map((latest) => latest.synced(closing.signal))).then(
      () => deps.onChange(undefined),
      () => undefined, // The room closed before.
    );
  }

  const always = {
    deployments: follow(watch(deployments)),
    services: follow(watch(services)),
    networkPolicies: follow(watch(networkPolicies)),
    pods: watch(pods),
  };
  always.pods.subscribe((key, pod, before) => {
    const workload = workloadOf(pod ?? before);
    const known = podsByWorkload.get(workload) ?? new Map<string, Pod>();
    if (pod) known.set(key, pod);
    else known.delete(key);
    if (known.size > 0) podsByWorkload.set(workload, known);
    else podsByWorkload.delete(workload);
    deps.onChange(workload);
  });
  tellWhenSynced([...watched.values()]);
  const some = {
    statefulSets: lazily(statefulSets),
    claims: lazily(persistentVolumeClaims),
    jobs: lazily(jobs),
    cronJobs: lazily(cronJobs),
  };

  /** By what outlasts a Workload, its name. */
  const lastingNames = new Map<string, string>();
  const happened = createEventBook({
    ...deps,
    onChange: (name) => deps.onChange(lastingNames.get(name) ?? name),
  });

  return {
    deployments: always.deployments,
    services: always.services,
    networkPolicies: always.networkPolicies,
    get statefulSets() {
      return some.statefulSets();
    },
    get claims() {
      return some.claims();
    },
    get jobs() {
      return some.jobs();
    },
    get cronJobs() {
      return some.cronJobs();
    },
    jobsOf: (workload) => [...some.jobs().list()].filter((job) => workloadOf(job) === workload),
    podsOf: (workload) => [...(podsByWorkload.get(workload)?.values() ?? [])],
    eventsOf(workload, lasting) {
      // Last asked for, last forgotten: a peer may make and delete as many as it likes.
      lastingNames.delete(lasting);
      lastingNames.set(lasting, workload);
      for (const oldest of lastingNames.keys()) {
        if (lastingNames.size <= mostLastingNames) break;
        lastingNames.delete(oldest);
      }
      return happened.of([workload, lasting]);
    },
    get isSynced() {
      return [...watched.values()].every((latest) => latest.isSynced);
    },
    async close() {
      closing.abort(new Error("The namespace is no longer watched."));
      await Promise.all([happened.close(), ...[...watched.values()].map((latest) => latest.close())]);
    },
  };
}

/** As many as a peer may have Workloads, and then some. */
const mostLastingNames = 20_000;

type Labelled = { metadata: ObjectMeta };

function workloadOf(object: Labelled | undefined): string {
  return object?.metadata.labels?.[labels.workload] ?? "";
}
