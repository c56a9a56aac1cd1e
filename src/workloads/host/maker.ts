/**
 * Makes a Workload's NetworkPolicy, Deployment and Service, and makes them again when somebody changed or deleted them.
 * Whether a Workload is still wanted is asked of the API server before anything is put back: its garbage collector deletes
 * them too, and a fight with that would start pods of an app that is being deleted.
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { keyOf, refOf } from "../../kube/object.ts";
import {
  deployments,
  networkPolicies,
  type Service,
  services,
  type Workload,
  workloads,
} from "../../kube/resources.ts";
import type { Latest } from "../latest.ts";
import { type Applied, additions } from "./drift.ts";
import { type Chore, choreOf, repairGapMs } from "./keeper.ts";
import { deploymentFor, networkPolicyOf, serviceFor } from "./manifests.ts";
import type { Plan } from "./plan.ts";
import type { Room } from "./room.ts";

/** What was made for one Workload, in this process' life. */
export interface Made {
  readonly applied: Partial<Record<Part, Applied>>;
  /** When something was put back last, on the monotonic clock. */
  putBackAt?: number;
}

/** In the order in which they are made: no pod before the rules about whom it may talk to. */
const parts = ["networkPolicy", "deployment", "service"] as const;
type Part = (typeof parts)[number];

export interface MakerDeps {
  client: Pick<KubeClient, "get" | "apply" | "update" | "delete">;
  latest: Pick<Latest<Workload>, "put">;
  clock: Clock;
  log: Log;
}

export interface Maker {
  /** Resolves with the milliseconds to wait before the next call, when there is something to be put back by then. */
  make(workload: Workload, plan: Plan, made: Made, room: Room, signal: AbortSignal): Promise<number | undefined>;
}

export function createMaker(deps: MakerDeps): Maker {
  const { client, latest, clock, log } = deps;

  function choresFor(workload: Workload, plan: Plan, { applied }: Made, room: Room): Partial<Record<Part, Chore>> {
    const service = serviceFor(workload, plan.app);
    return {
      networkPolicy: choreOf(deps, {
        kind: networkPolicies,
        manifest: networkPolicyOf(workload),
        latest: room.networkPolicies,
        applied: applied.networkPolicy,
      }),
      deployment: choreOf(deps, {
        kind: deployments,
        manifest: deploymentFor(workload, plan),
        latest: room.deployments,
        applied: applied.deployment,
        additions,
      }),
      ...(service && {
        service: choreOf(deps, {
          kind: services,
          manifest: service,
          latest: room.services,
          applied: applied.service,
        }),
      }),
    };
  }

  async function make(
    workload: Workload,
    plan: Plan,
    made: Made,
    room: Room,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const key = keyOf(workload);
    const chores = choresFor(workload, plan, made, room);
    if (!chores.service) await removeService(workload, room.services.get(key), made, signal);
    if (Object.values(chores).some(({ isRepair }) => isRepair)) {
      const waitMs = (made.putBackAt ?? Number.NEGATIVE_INFINITY) + repairGapMs - clock.monotonic();
      if (waitMs > 0) return waitMs;
      if (!(await isWanted(workload, signal))) return undefined;
      made.putBackAt = clock.monotonic();
      log.info({ workload: key }, "somebody changed what a workload runs by; it is put back");
    }
    for (const part of parts) {
      const chore = chores[part];
      if (chore?.isDue) made.applied[part] = await chore.do(signal);
    }
    return undefined;
  }

  async function removeService(
    workload: Workload,
    found: Service | undefined,
    made: Made,
    signal: AbortSignal,
  ): Promise<void> {
    delete made.applied.service;
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
