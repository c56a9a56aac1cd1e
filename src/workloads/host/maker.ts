/**
 * Makes a Workload's Deployment and Service, and makes them again when somebody changed or deleted them. Whether a Workload
 * is still wanted is asked of the API server before anything is put back: its garbage collector deletes them too, and a fight
 * with that would start pods of an app that is being deleted.
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { type Draft, keyOf, refOf } from "../../kube/object.ts";
import {
  type Deployment,
  deployments,
  type Service,
  services,
  type Workload,
  workloads,
} from "../../kube/resources.ts";
import type { Latest } from "../latest.ts";
import { type Applied, additions, appliedOf, isDrifted } from "./drift.ts";
import { deploymentFor, serviceFor } from "./manifests.ts";
import type { Room } from "./room.ts";

/** What was made for one Workload, in this process' life. */
export interface Made {
  deployment?: Applied;
  service?: Applied;
  /** When something was put back last, on the monotonic clock. */
  putBackAt?: number;
}

export interface MakerDeps {
  client: Pick<KubeClient, "get" | "apply" | "update" | "delete">;
  latest: Pick<Latest<Workload>, "put">;
  clock: Clock;
  log: Log;
}

export interface Maker {
  /** Resolves with the milliseconds to wait before the next call, when there is something to be put back by then. */
  make(workload: Workload, made: Made, room: Room, signal: AbortSignal): Promise<number | undefined>;
}

/** The least time between two repairs of one Workload, in milliseconds, for when somebody goes on undoing them. */
const repairGapMs = 1_000;

export function createMaker({ client, latest, clock, log }: MakerDeps): Maker {
  async function make(workload: Workload, made: Made, room: Room, signal: AbortSignal): Promise<number | undefined> {
    const key = keyOf(workload);
    const deployment = deploymentFor(workload);
    const service = serviceFor(workload);
    const isDeploymentDue = isDue(room, deployment, made.deployment, room.deployments.get(key));
    const isServiceDue = service !== undefined && isDue(room, service, made.service, room.services.get(key));
    if (!service) await removeService(workload, room.services.get(key), made, signal);
    const isRepair =
      (isDeploymentDue && isKnown(deployment, made.deployment)) || (isServiceDue && isKnown(service, made.service));
    if (isRepair) {
      const waitMs = (made.putBackAt ?? Number.NEGATIVE_INFINITY) + repairGapMs - clock.monotonic();
      if (waitMs > 0) return waitMs;
      if (!(await isWanted(workload, signal))) return undefined;
      made.putBackAt = clock.monotonic();
      log.info({ workload: key }, "somebody changed what a workload runs by; it is put back");
    }
    if (isDeploymentDue) await makeDeployment(deployment, made, room, signal);
    if (isServiceDue) {
      const answer = await client.apply(services, service, { force: true }, signal);
      room.services.put(answer);
      made.service = appliedOf(service, answer);
    }
    return undefined;
  }

  async function makeDeployment(
    manifest: Draft<Deployment>,
    made: Made,
    room: Room,
    signal: AbortSignal,
  ): Promise<void> {
    let answer = await client.apply(deployments, manifest, { force: true }, signal);
    const extra = additions(manifest, answer);
    if (extra.length > 0) {
      log.warn({ deployment: keyOf(answer), extra }, "somebody added to a Deployment of a peer; it is taken away");
      answer = await client.update(deployments, replacing(manifest, answer), signal);
    }
    room.deployments.put(answer);
    made.deployment = appliedOf(manifest, answer);
  }

  async function removeService(
    workload: Workload,
    found: Service | undefined,
    made: Made,
    signal: AbortSignal,
  ): Promise<void> {
    delete made.service;
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

/** After a start, what is found is not known until the room has been read; applying once more changes nothing. */
function isDue(
  room: Room,
  manifest: object,
  applied: Applied | undefined,
  found: Deployment | Service | undefined,
): boolean {
  if (!room.isSynced && isKnown(manifest, applied)) return false;
  return isDrifted(manifest, applied, found);
}

/** This very manifest was applied before, so that only somebody else can have changed what came of it. */
function isKnown(manifest: object, applied: Applied | undefined): boolean {
  return applied?.manifest === JSON.stringify(manifest);
}

/** Replaces all that is there, other people's additions with it, if nobody was quicker. */
function replacing(manifest: Draft<Deployment>, found: Deployment): Draft<Deployment> {
  const { resourceVersion = "", uid = "", annotations = {} } = found.metadata;
  return { ...manifest, metadata: { ...manifest.metadata, resourceVersion, uid, annotations } };
}
