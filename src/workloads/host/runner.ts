/**
 * Makes what runs equal to the Workloads, for ever: applies Deployment and Service, puts back what somebody changed or
 * deleted, and says how it is. One run per Workload at a time, on its present state.
 */
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { WorkloadStatus } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import { type Draft, keyOf, refOf } from "../../kube/object.ts";
import { type Deployment, deployments, type Service, services, type Workload } from "../../kube/resources.ts";
import type { StatusWriter } from "../../kube/status-writer.ts";
import { isInPlace, type WorkloadBook } from "./book.ts";
import type { CrashLines } from "./crash-lines.ts";
import { type Applied, additions, appliedOf, isDrifted } from "./drift.ts";
import { deploymentFor, serviceFor, templateOf } from "./manifests.ts";
import type { PeerNamespaces } from "./namespace.ts";
import { readiness } from "./readiness.ts";
import type { Room } from "./room.ts";
import { type Obstacle, statusOf } from "./status.ts";

export interface Runner {
  /** The Workload, or something of it, changed. */
  add(key: string): void;
  /** The status as it was found last, which may not be written yet. */
  statusOf(key: string): WorkloadStatus | undefined;
  oldestPendingMs(): number;
  close(): Promise<void>;
}

export interface RunnerDeps {
  client: Pick<KubeClient, "apply" | "update" | "delete">;
  book: WorkloadBook;
  namespaces: PeerNamespaces;
  room(namespace: string): Room;
  lines: CrashLines;
  statuses: StatusWriter<WorkloadStatus>;
  /** Told when what `statusOf` says has changed. */
  onStatus(key: string): void;
  clock: Clock;
  log: Log;
}

interface Memory {
  deployment?: Applied;
  service?: Applied;
  status?: WorkloadStatus;
}

/** What the API server answers when trying again would change nothing. */
const refusals: ReadonlySet<number> = new Set([400, 403, 422]);
const retryRefusedMs = 60_000;

export function createRunner(deps: RunnerDeps): Runner {
  const { client, book, log } = deps;
  const memories = new Map<string, Memory>();
  const worker = createKeyedWorker({ run, clock: deps.clock, concurrency: 8, onError });

  async function run(key: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    const workload = book.latest.get(key);
    if (!workload) {
      memories.delete(key);
      deps.statuses.forget(key);
      deps.lines.want(refOf(key), []);
      return;
    }
    if (!isInPlace(workload)) return;
    const memory = memories.get(key) ?? {};
    memories.set(key, memory);
    const room = deps.room(workload.metadata.namespace ?? "");
    const obstacle = await tryToApply(workload, memory, room, signal);
    const againMs = report(key, workload, memory, room, obstacle);
    // The cluster's refusal is an answer: it is asked again now and then, since nobody tells when its rules change.
    if (obstacle) return { againMs: Math.min(againMs ?? retryRefusedMs, retryRefusedMs) };
    return againMs === undefined ? undefined : { againMs };
  }

  async function tryToApply(
    workload: Workload,
    memory: Memory,
    room: Room,
    signal: AbortSignal,
  ): Promise<Obstacle | undefined> {
    if (workload.metadata.deletionTimestamp) return undefined;
    if (workload.problems?.length) {
      const message = `This agent does not understand the Workload: ${workload.problems.join("; ")}.`;
      return { reason: "UnknownFields", message };
    }
    const { peer = "", fingerprint = "" } = workload.spec.origin ?? {};
    try {
      const claim = await deps.namespaces.claim({ peer, fingerprint }, signal);
      if (!claim.ok) return { reason: claim.reason, message: claim.message };
      await applyDeployment(workload, memory, room, signal);
      await applyService(workload, memory, room, signal);
      return undefined;
    } catch (error) {
      // The namespace may be on its way out, or gone.
      if (error instanceof KubeError && (error.status === 404 || error.status === 403)) deps.namespaces.doubt(peer);
      if (!(error instanceof KubeError) || !refusals.has(error.status)) throw error;
      log.warn({ workload: keyOf(workload), err: error }, "The cluster refuses what a workload needs");
      return { reason: error.reason, message: `The host's cluster refuses: ${error.message}` };
    }
  }

  async function applyDeployment(workload: Workload, memory: Memory, room: Room, signal: AbortSignal): Promise<void> {
    const manifest = deploymentFor(workload);
    const found = room.deployments.get(keyOf(workload));
    if (!needed(room, manifest, memory.deployment, found)) return;
    let answer = await client.apply(deployments, manifest, { force: true }, signal);
    const extra = additions(manifest, answer);
    if (extra.length > 0) {
      log.warn({ workload: keyOf(workload), extra }, "Somebody added to a Deployment of a peer; it is put back");
      answer = await client.update(deployments, replacing(manifest, answer), signal);
    }
    room.deployments.put(answer);
    memory.deployment = appliedOf(manifest, answer);
  }

  async function applyService(workload: Workload, memory: Memory, room: Room, signal: AbortSignal): Promise<void> {
    const manifest = serviceFor(workload);
    const found = room.services.get(keyOf(workload));
    if (!manifest) {
      const { namespace, name = "", uid } = found?.metadata ?? {};
      if (found && isOwnedBy(found, workload)) await client.delete(services, { namespace, name }, { uid }, signal);
      delete memory.service;
      return;
    }
    if (!needed(room, manifest, memory.service, found)) return;
    const answer = await client.apply(services, manifest, { force: true }, signal);
    room.services.put(answer);
    memory.service = appliedOf(manifest, answer);
  }

  /** Returns in how many milliseconds the passing of time alone may change the answer. */
  function report(
    key: string,
    workload: Workload,
    memory: Memory,
    room: Room,
    obstacle: Obstacle | undefined,
  ): number | undefined {
    // Before all is known, pods that run would look missing.
    if (!room.isSynced && workload.status && !obstacle) return undefined;
    const now = deps.clock.now();
    const seen = readiness({
      desired: workload.spec.app?.replicas ?? 1,
      deployment: room.deployments.get(key),
      pods: room.podsOf(workload.metadata.name ?? ""),
      template: templateOf(workload),
      lastLines: (pod) => deps.lines.get(refOf(key), pod),
      now,
    });
    deps.lines.want(refOf(key), seen.crashes);
    const before = memory.status ?? workload.status;
    const status = statusOf(workload, before, seen, obstacle, now);
    if (before?.phase !== status.phase || before?.reason !== status.reason) {
      const { phase, reason, message } = status;
      log.info(
        { workload: key, peer: workload.spec.origin?.peer, phase, reason, detail: message },
        "A workload changed",
      );
    }
    memory.status = status;
    deps.statuses.write({ metadata: workload.metadata, status });
    deps.onStatus(key);
    return seen.againMs;
  }

  function onError(key: string, error: unknown, attempt: number): void {
    log.warn({ workload: key, err: error, attempt }, "A workload could not be made as it should be; it is tried again");
  }

  return {
    add: (key) => worker.add(key),
    statusOf: (key) => memories.get(key)?.status,
    oldestPendingMs: () => worker.oldestPendingMs(),
    close: () => worker.close(),
  };
}

/** After a start, what is found is not known until the room has been read; applying once more changes nothing. */
function needed(
  room: Room,
  manifest: object,
  applied: Applied | undefined,
  found: Deployment | Service | undefined,
): boolean {
  if (!room.isSynced && applied?.manifest === JSON.stringify(manifest)) return false;
  return isDrifted(manifest, applied, found);
}

/** Replaces all that is there, other people's additions with it, if nobody was quicker. */
function replacing(manifest: Draft<Deployment>, found: Deployment): Draft<Deployment> {
  const { resourceVersion = "", uid = "", annotations = {} } = found.metadata;
  return { ...manifest, metadata: { ...manifest.metadata, resourceVersion, uid, annotations } };
}

function isOwnedBy(object: Service, workload: Workload): boolean {
  return object.metadata.ownerReferences?.some(({ uid }) => uid === workload.metadata.uid) ?? false;
}
