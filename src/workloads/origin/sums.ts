/** What several peers say of one app, as one: their counts added, their pods and events within the bounds of a status. Pure. */
import { create } from "@bufbuild/protobuf";
import { AppJobStatusSchema } from "../../gen/fairlead/resources/v1alpha1/app_job_pb.ts";
import {
  type AppEvent,
  AppEventSchema,
  type AppPod,
  AppPodSchema,
  AppRolloutSchema,
} from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import type { RemoteAppStatus } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { AtPeer, Before } from "./at-peer.ts";
import { type HostStatus, most } from "./host-status.ts";

type Known = HostStatus | Before;

/** Replicas, runs and rollouts of all; and of exactly one peer, where it is. */
export function countsOf(all: readonly AtPeer[], only: AtPeer | undefined): Partial<RemoteAppStatus> {
  const known = all.flatMap(({ view, before }): readonly Known[] => {
    const one = view.host ?? before;
    return one ? [one] : [];
  });
  const sum = (name: "replicas" | "readyReplicas" | "updatedReplicas" | "availableReplicas"): object => {
    const numbers = known.flatMap((one) => one[name] ?? []);
    return numbers.length > 0 ? { [name]: numbers.reduce((a, b) => a + b) } : {};
  };
  // The host derives it from the app's names alone, so that it is the same everywhere.
  const selector = known.find((one) => one.selector)?.selector;
  const here = only && (only.view.host ?? only.before);
  const [job, ...laterJobs] = known.flatMap((one) => one.job ?? []);
  const [rollout, ...others] = known.flatMap((one) => one.rollout ?? []);
  return {
    ...sum("replicas"),
    ...sum("readyReplicas"),
    ...sum("updatedReplicas"),
    ...sum("availableReplicas"),
    ...(selector === undefined ? {} : { selector }),
    ...(here?.hostNamespace === undefined ? {} : { hostNamespace: here.hostNamespace }),
    ...(job ? { job: laterJobs.reduce(bothJobs, job) } : {}),
    ...(rollout ? { rollout: others.reduce(both, rollout) } : {}),
  };
}

type JobStatus = NonNullable<RemoteAppStatus["job"]>;

/** The earlier start and the later end, once both have one; the latest of what comes again; and the sums. */
function bothJobs(a: JobStatus, b: JobStatus): JobStatus {
  const sum = (name: "active" | "succeeded" | "failed"): number => (a[name] ?? 0) + (b[name] ?? 0);
  const times = (name: "startedAt" | "completedAt" | "lastScheduleAt" | "lastSuccessAt"): string[] =>
    [a[name], b[name]].filter((time) => time !== undefined).sort();
  const [startedAt] = times("startedAt");
  const [, completedAt] = times("completedAt");
  const [lastScheduleAt, lastSuccessAt] = [times("lastScheduleAt").at(-1), times("lastSuccessAt").at(-1)];
  return create(AppJobStatusSchema, {
    active: sum("active"),
    succeeded: sum("succeeded"),
    failed: sum("failed"),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(completedAt === undefined ? {} : { completedAt }),
    ...(lastScheduleAt === undefined ? {} : { lastScheduleAt }),
    ...(lastSuccessAt === undefined ? {} : { lastSuccessAt }),
  });
}

type Rollout = NonNullable<RemoteAppStatus["rollout"]>;

/** The earlier start, the later deadline, and the sums. */
function both(a: Rollout, b: Rollout): Rollout {
  const sum = (name: "updated" | "updatedReady" | "old" | "total"): number => (a[name] ?? 0) + (b[name] ?? 0);
  const startedAt = [a.startedAt, b.startedAt].filter((time) => time !== undefined).sort()[0];
  const deadlineAt = [a.deadlineAt, b.deadlineAt]
    .filter((time) => time !== undefined)
    .sort()
    .at(-1);
  return create(AppRolloutSchema, {
    updated: sum("updated"),
    updatedReady: sum("updatedReady"),
    old: sum("old"),
    total: sum("total"),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(deadlineAt === undefined ? {} : { deadlineAt }),
    ...(a.paused || b.paused ? { paused: true } : {}),
  });
}

/** The pods and events of all peers. Of more than there is room for, each peer has an even share. */
export function mostOf(all: readonly AtPeer[], isPlaced: boolean): { pods: AppPod[]; events: AppEvent[] } {
  const known = all.map(({ peer, view, before }) => ({ peer, ...(view.host ?? before ?? { pods: [], events: [] }) }));
  const named = (peer: string): { peer?: string } => (isPlaced ? { peer } : {});
  const pods = known.map(({ peer, pods: some }) => some.map((pod) => create(AppPodSchema, { ...pod, ...named(peer) })));
  const events = known.flatMap(({ peer, events: some }) =>
    some.map((event) => create(AppEventSchema, { ...event, ...named(peer) })),
  );
  const at = ({ lastAt = "" }: AppEvent): number => Date.parse(lastAt) || 0;
  return { pods: shared(pods, most.pods), events: events.sort((a, b) => at(b) - at(a)).slice(0, most.events) };
}

/** The lists one after the other, as long as all fit; else of each the first ones, in turn. */
function shared<T>(lists: readonly T[][], room: number): T[] {
  const total = lists.reduce((sum, list) => sum + list.length, 0);
  if (total <= room) return lists.flat();
  const shares = lists.map(() => 0);
  for (let left = room; left > 0; ) {
    for (const [index, list] of lists.entries()) {
      const share = shares[index] ?? 0;
      if (left === 0 || share >= list.length) continue;
      shares[index] = share + 1;
      left -= 1;
    }
  }
  return lists.flatMap((list, index) => list.slice(0, shares[index]));
}
