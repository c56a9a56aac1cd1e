/**
 * Makes what a Workload stands for, and makes it again when somebody changed or deleted it. Whether a Workload is still wanted is
 * asked of the API server before anything is put back: its garbage collector deletes them too, and a fight with that would start
 * pods of an app that is being deleted.
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isConflict } from "../../kube/errors.ts";
import { type Draft, keyOf, refOf } from "../../kube/object.ts";
import {
  cronJobs,
  deployments,
  networkPolicies,
  pods,
  type Service,
  type StatefulSet,
  services,
  statefulSets,
  type Workload,
  workloads,
} from "../../kube/resources.ts";
import type { Latest } from "../latest.ts";
import { additions } from "./additions.ts";
import { claimChores } from "./claim-chores.ts";
import { isOf } from "./controller.ts";
import type { Applied } from "./drift.ts";
import { cronJobFor } from "./job.ts";
import { createJobKeeper } from "./job-keeper.ts";
import { type Chore, choreOf, type Named, repairGapMs } from "./keeper.ts";
import { kindOf } from "./kind.ts";
import { defaultProgressDeadlineSeconds, deploymentFor, networkPolicyOf, serviceFor } from "./manifests.ts";
import { lastingName } from "./names.ts";
import type { Plan } from "./plan.ts";
import { keepPullSecret, type PullSecretMade } from "./pull-secret.ts";
import type { Room } from "./room.ts";
import { headlessServiceFor, isEditable, statefulSetFor } from "./stateful-set.ts";
import type { Obstacle } from "./status.ts";
import { stuckPod } from "./stuck-pods.ts";

/** What was made for one Workload, in this process' life. */
export interface Made {
  /** By what was made, such as "service". */
  readonly applied: Map<string, Applied>;
  /** When something was put back last, on the monotonic clock. */
  putBackAt?: number;
  pullSecret?: PullSecretMade;
}

export interface MakerDeps {
  client: Pick<KubeClient, "get" | "create" | "apply" | "update" | "mergePatch" | "delete">;
  latest: Pick<Latest<Workload>, "get" | "put">;
  clock: Clock;
  log: Log;
}

export interface Maker {
  /**
   * Resolves with the milliseconds to wait before the next call, when there is something to be done by then, or with why nothing
   * can be made.
   */
  make(
    workload: Workload,
    plan: Plan,
    made: Made,
    room: Room,
    signal: AbortSignal,
  ): Promise<Obstacle | number | undefined>;
}

/** What has to go before its successor can come is looked at again after so long, in milliseconds, if nothing tells before. */
const goneGapMs = 2_000;
/** How soon a pod is looked at again that has changed since it was read, in milliseconds. */
const conflictGapMs = 100;

export function createMaker(deps: MakerDeps): Maker {
  const { client, latest, clock, log } = deps;
  const jobKeeper = createJobKeeper(deps);

  async function make(
    workload: Workload,
    plan: Plan,
    made: Made,
    room: Room,
    signal: AbortSignal,
  ): Promise<Obstacle | number | undefined> {
    const { namespace = "" } = workload.metadata;
    const kind = kindOf(plan.app);
    const isStateful = kind === "StatefulSet";
    const hasClaims = plan.app.claims.length > 0;
    // What is there has to be known first: it may be another's, or such that it cannot be edited. The room tells when it is.
    if (isStateful && !room.statefulSets.isSynced) return undefined;
    if (kind === "Job" && !room.jobs.isSynced) return undefined;
    if (hasClaims && !room.claims.isSynced) return undefined;
    const claims = hasClaims ? claimChores(deps, workload, plan, made.applied, room) : [];
    if ("message" in claims) return claims;
    const found = isStateful ? room.statefulSets.get(`${namespace}/${lastingName(workload)}`) : undefined;
    const inTheWay = found && (await clearTheWay(workload, plan, found, signal));
    if (inTheWay !== undefined) return inTheWay;
    const set = isStateful ? statefulSetFor(workload, plan, found) : undefined;
    const pullSecret = await keepPullSecret(deps, { workload, plan, room }, made.pullSecret, signal);
    if (pullSecret) made.pullSecret = pullSecret;
    const againMs = await carryOut(workload, choresFor(workload, plan, set, made, room, claims), made, room, signal);
    if (againMs !== undefined) return againMs;
    if (isStateful) return freeTheWay(workload, plan, room, signal);
    if (kind !== "Job") return undefined;
    return jobKeeper.keep(workload, plan, room, () => isWanted(workload, signal), signal);
  }

  /** Deletes what keeps a StatefulSet from its present template. Of a pod that has changed meanwhile nothing is known: it stays. */
  async function freeTheWay(
    workload: Workload,
    { app }: Plan,
    room: Room,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { namespace = "", name = "" } = workload.metadata;
    const set = room.statefulSets.get(`${namespace}/${lastingName(workload)}`);
    if (!set) return undefined;
    const { pod, againMs } = stuckPod({
      set,
      pods: room.podsOf(name),
      progressDeadlineSeconds: app.progressDeadlineSeconds ?? defaultProgressDeadlineSeconds,
      now: clock.now(),
    });
    if (!pod || !(await isWanted(workload, signal))) return againMs;
    const { uid, resourceVersion } = pod.metadata;
    try {
      await client.delete(pods, refOf(pod), { uid, resourceVersion }, signal);
    } catch (error) {
      if (!isConflict(error)) throw error;
      return conflictGapMs;
    }
    log.info({ workload: keyOf(workload), pod: keyOf(pod) }, "a pod of an earlier spec was in the way of the rollout");
    return undefined;
  }

  /** In the order in which they are made: no pod before the rules about whom it may talk to, and none before its data. */
  function choresFor(
    workload: Workload,
    plan: Plan,
    set: Draft<StatefulSet> | undefined,
    { applied }: Made,
    room: Room,
    claims: readonly Named[],
  ): Named[] {
    const service = serviceFor(workload, plan.app);
    return [
      named("networkPolicy", (was) =>
        choreOf(deps, {
          kind: networkPolicies,
          manifest: networkPolicyOf(workload),
          latest: room.networkPolicies,
          applied: was,
          complete: "after",
        }),
      ),
      ...claims,
      ...controllers(),
      ...(service
        ? [
            named("service", (was) =>
              choreOf(deps, {
                kind: services,
                manifest: service,
                latest: room.services,
                applied: was,
                complete: "after",
              }),
            ),
          ]
        : []),
    ];

    /** A Job is looked after by its keeper. */
    function controllers(): Named[] {
      switch (kindOf(plan.app)) {
        case "Job":
          return [];
        case "CronJob": {
          const cronJob = cronJobFor(workload, plan);
          const latest = room.cronJobs;
          return [
            named("cronJob", (was) =>
              choreOf(deps, { kind: cronJobs, manifest: cronJob, latest, applied: was, additions, complete: "first" }),
            ),
          ];
        }
        case "StatefulSet":
          return set ? ofStatefulSet(set) : [];
        default: {
          const deployment = deploymentFor(workload, plan);
          const latest = room.deployments;
          return [
            named("deployment", (was) =>
              choreOf(deps, {
                kind: deployments,
                manifest: deployment,
                latest,
                applied: was,
                additions,
                complete: "first",
              }),
            ),
          ];
        }
      }
    }

    function ofStatefulSet(manifest: Draft<StatefulSet>): Named[] {
      const headless = headlessServiceFor(workload, plan);
      return [
        named("headless", (was) =>
          choreOf(deps, { kind: services, manifest: headless, latest: room.services, applied: was, complete: "after" }),
        ),
        named("statefulSet", (was) =>
          choreOf(deps, {
            kind: statefulSets,
            manifest,
            latest: room.statefulSets,
            applied: was,
            additions,
            complete: "first",
          }),
        ),
      ];
    }

    function named(name: string, choreWith: (applied: Applied | undefined) => Chore): Named {
      return { name, chore: choreWith(applied.get(name)) };
    }
  }

  async function carryOut(
    workload: Workload,
    chores: readonly Named[],
    made: Made,
    room: Room,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const key = keyOf(workload);
    if (!chores.some(({ name }) => name === "service")) {
      await removeService(workload, room.services.get(key), made, signal);
    }
    if (chores.some(({ chore }) => chore.isRepair)) {
      const waitMs = (made.putBackAt ?? Number.NEGATIVE_INFINITY) + repairGapMs - clock.monotonic();
      if (waitMs > 0) return waitMs;
      if (!(await isWanted(workload, signal))) return undefined;
      made.putBackAt = clock.monotonic();
      log.info({ workload: key }, "somebody changed what a workload runs by; it is put back");
    }
    for (const { name, chore } of chores) if (chore.isDue) made.applied.set(name, await chore.do(signal));
    return undefined;
  }

  /**
   * A StatefulSet has its name from the app's, so that of an earlier app may still be there. And some of one cannot be edited: then it
   * goes with its pods, and the next one's find the claims.
   */
  async function clearTheWay(
    workload: Workload,
    plan: Plan,
    found: StatefulSet,
    signal: AbortSignal,
  ): Promise<Obstacle | number | undefined> {
    if (!isOf(workload, found)) {
      const message = "An earlier app of this name still runs here; adopt that one, or delete it.";
      return { reason: "NameTaken", message, againMs: goneGapMs };
    }
    if (found.metadata.deletionTimestamp) return goneGapMs;
    if (isEditable(found, plan.app)) return undefined;
    log.info({ workload: keyOf(workload) }, "a StatefulSet is made anew, since it cannot be edited");
    const { uid } = found.metadata;
    await client.delete(statefulSets, refOf(found), { uid, propagation: "Foreground" }, signal);
    return goneGapMs;
  }

  async function removeService(
    workload: Workload,
    found: Service | undefined,
    made: Made,
    signal: AbortSignal,
  ): Promise<void> {
    made.applied.delete("service");
    const isOurs = found?.metadata.ownerReferences?.some(({ uid }) => uid === workload.metadata.uid);
    if (!found || !isOurs) return;
    await client.delete(services, refOf(found), { uid: found.metadata.uid }, signal);
  }

  /** What the reflector knows of the Workload may be some seconds old. */
  async function isWanted(workload: Workload, signal: AbortSignal): Promise<boolean> {
    const live = await client.get(workloads, refOf(workload), signal);
    if (!live || live.metadata.uid !== workload.metadata.uid) return false;
    latest.put(live);
    return live.metadata.deletionTimestamp === undefined;
  }

  return { make };
}
