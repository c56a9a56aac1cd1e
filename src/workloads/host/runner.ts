/**
 * Makes what runs equal to the Workloads, for ever: applies Deployment and Service, puts back what somebody changed or
 * deleted, and says how it is. One run per Workload at a time, on its present state.
 */
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { WorkloadStatus } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import { KubeError } from "../../kube/errors.ts";
import { keyOf, refOf } from "../../kube/object.ts";
import type { Workload } from "../../kube/resources.ts";
import type { StatusWriter } from "../../kube/status-writer.ts";
import { isInPlace, type WorkloadBook } from "./book.ts";
import type { CrashLines } from "./crash-lines.ts";
import { createMaker, type Made, type MakerDeps } from "./maker.ts";
import { templateOf } from "./manifests.ts";
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
  client: MakerDeps["client"];
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
  readonly made: Made;
  status?: WorkloadStatus;
}

/** What the API server answers when trying again would change nothing. */
const refusals: ReadonlySet<number> = new Set([400, 403, 422]);
const retryRefusedMs = 60_000;

export function createRunner(deps: RunnerDeps): Runner {
  const { client, book, clock, log } = deps;
  const maker = createMaker({ client, latest: book.latest, clock, log });
  const memories = new Map<string, Memory>();
  const worker = createKeyedWorker({ run, clock, concurrency: 8, onError });

  async function run(key: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    const workload = book.latest.get(key);
    if (!workload) {
      memories.delete(key);
      deps.statuses.forget(key);
      deps.lines.want(refOf(key), []);
      return;
    }
    if (!isInPlace(workload)) return;
    const memory = memories.get(key) ?? { made: {} };
    memories.set(key, memory);
    const room = deps.room(workload.metadata.namespace ?? "");
    const outcome = await tryToMake(workload, memory, room, signal);
    const obstacle = typeof outcome === "object" ? outcome : undefined;
    const lookAgainMs = report(key, workload, memory, room, obstacle);
    // The cluster's refusal is an answer: it is asked again now and then, since nobody tells when its rules change.
    const makeAgainMs = obstacle ? retryRefusedMs : outcome;
    const again = [lookAgainMs, makeAgainMs].filter((ms) => typeof ms === "number");
    return again.length > 0 ? { againMs: Math.min(...again) } : undefined;
  }

  /** Why it cannot be made, or in how many milliseconds to try again, or nothing. */
  async function tryToMake(
    workload: Workload,
    memory: Memory,
    room: Room,
    signal: AbortSignal,
  ): Promise<Obstacle | number | undefined> {
    if (workload.metadata.deletionTimestamp) return undefined;
    if (workload.problems?.length) {
      const message = `This agent does not understand the Workload: ${workload.problems.join("; ")}.`;
      return { reason: "UnknownFields", message };
    }
    const { peer = "", fingerprint = "" } = workload.spec.origin ?? {};
    try {
      const claim = await deps.namespaces.claim({ peer, fingerprint }, signal);
      if (!claim.ok) return { reason: claim.reason, message: claim.message };
      return await maker.make(workload, memory.made, room, signal);
    } catch (error) {
      // The namespace may be on its way out, or gone.
      if (error instanceof KubeError && (error.status === 404 || error.status === 403)) deps.namespaces.doubt(peer);
      if (!(error instanceof KubeError) || !refusals.has(error.status)) throw error;
      log.warn({ workload: keyOf(workload), err: error }, "the cluster refuses what a workload needs");
      return { reason: error.reason, message: `The host's cluster refuses: ${error.message}` };
    }
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
    const now = clock.now();
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
        "a workload changed",
      );
    }
    memory.status = status;
    deps.statuses.write({ metadata: workload.metadata, status });
    deps.onStatus(key);
    return seen.againMs;
  }

  function onError(key: string, error: unknown, attempt: number): void {
    log.warn({ workload: key, err: error, attempt }, "a workload could not be made as it should be; it is tried again");
  }

  return {
    add: (key) => worker.add(key),
    statusOf: (key) => memories.get(key)?.status,
    oldestPendingMs: () => worker.oldestPendingMs(),
    close: () => worker.close(),
  };
}
