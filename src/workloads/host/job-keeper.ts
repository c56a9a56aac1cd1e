/**
 * Runs a Job, once for each thing that its app asks for, and never two at a time. What Kubernetes makes of it cannot be edited, so an
 * app that changes has its Job deleted, with its pods, before the next one is made. That a run has ended is written on the
 * Workload before the Job goes: nothing that comes later can make it run again.
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { keyOf, refOf } from "../../kube/object.ts";
import { type Job, jobs, type Workload, workloads } from "../../kube/resources.ts";
import type { Latest } from "../latest.ts";
import { isOf } from "./controller.ts";
import { tryOut } from "./dropped-fields.ts";
import { editsOf, endOf, type FinishedRun, finishedRun, goesInMs, jobFor } from "./job.ts";
import { annotations } from "./names.ts";
import type { Plan } from "./plan.ts";
import type { Room } from "./room.ts";

interface JobKeeperDeps {
  client: Pick<KubeClient, "apply" | "create" | "mergePatch" | "delete">;
  latest: Pick<Latest<Workload>, "put">;
  clock: Clock;
  log: Log;
}

/** What has to be gone before the next can come is looked at again after so long, in milliseconds, if nothing tells before. */
const goneGapMs = 2_000;

export interface JobKeeper {
  /**
   * All Jobs of the room must be known. `isWanted` is asked before a Job is made. Resolves with the milliseconds after which there is
   * something to be done again.
   */
  keep(
    workload: Workload,
    plan: Plan,
    room: Pick<Room, "jobs" | "jobsOf">,
    isWanted: () => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<number | undefined>;
}

export function createJobKeeper({ client, latest, clock, log }: JobKeeperDeps): JobKeeper {
  async function keep(
    workload: Workload,
    plan: Plan,
    room: Pick<Room, "jobs" | "jobsOf">,
    isWanted: () => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const draft = jobFor(workload, plan);
    const ours = room.jobsOf(workload.metadata.name ?? "").filter((job) => isOf(workload, job));
    const present = ours.find(({ metadata }) => metadata.name === draft.metadata.name);
    const earlier = ours.filter((job) => job !== present);
    for (const job of earlier) await remove(job, signal);
    const end = finishedRun(workload, plan.app) ?? (present && endOf(present));
    if (end) return earlier.length > 0 ? goneGapMs : settle(workload, plan, present, end, signal);
    if (earlier.length > 0 || present?.metadata.deletionTimestamp) return goneGapMs;
    if (present) {
      const spec = editsOf(plan, present);
      // With the UID a patch never lands on another object of the same name.
      const patch = { metadata: { uid: present.metadata.uid ?? "" }, ...(spec ? { spec } : {}) };
      if (spec) room.jobs.put(await client.mergePatch(jobs, refOf(present), patch, signal));
      return undefined;
    }
    await tryOut(client, jobs, draft, signal);
    if (!(await isWanted())) return undefined;
    room.jobs.put(await client.create(jobs, draft, signal));
    return undefined;
  }

  /** It has ended: remembered first, and gone when its time has come. */
  async function settle(
    workload: Workload,
    plan: Plan,
    present: Job | undefined,
    end: FinishedRun,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    if (!finishedRun(workload, plan.app)) {
      const { uid = "" } = workload.metadata;
      const patch = { metadata: { uid, annotations: { [annotations.finishedRun]: JSON.stringify(end) } } };
      latest.put(await client.mergePatch(workloads, refOf(workload), patch, signal));
      log.info(
        { workload: keyOf(workload), run: end.run, result: end.result },
        "a Job has ended; it does not run again",
      );
    }
    if (!present || present.metadata.deletionTimestamp) return undefined;
    const inMs = goesInMs(plan.app, end, clock.now());
    if (inMs !== 0) return inMs;
    await remove(present, signal);
    return undefined;
  }

  /** It is gone when its pods are. */
  async function remove(job: Job, signal: AbortSignal): Promise<void> {
    if (job.metadata.deletionTimestamp) return;
    await client.delete(jobs, refOf(job), { uid: job.metadata.uid, propagation: "Foreground" }, signal);
  }

  return { keep };
}
