/**
 * Makes what runs equal to what is admitted, for ever: writes down what the admission desk admits, applies what it needs, puts
 * back what somebody changed or deleted, stops what may not run, and says how it is. One run per Workload at a time, on its
 * present state.
 */
import { create } from "@bufbuild/protobuf";
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { WorkloadSpecSchema, type WorkloadStatus } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import { isConflict, KubeError } from "../../kube/errors.ts";
import { keyOf, refOf } from "../../kube/object.ts";
import { type Workload, workloads } from "../../kube/resources.ts";
import type { StatusWriter } from "../../kube/status-writer.ts";
import { isOnTheWay } from "../passing.ts";
import type { AdmissionDesk } from "./admission-desk.ts";
import type { AdmissionRecord } from "./admission-record.ts";
import { isInPlace, type WorkloadBook } from "./book.ts";
import type { Contents } from "./contents.ts";
import { controllerOf, isOf, jobsOf, resourceOf, templateIn } from "./controller.ts";
import type { CrashLines } from "./crash-lines.ts";
import { DroppedFields, droppedObstacle } from "./dropped-fields.ts";
import { finishedRun } from "./job.ts";
import type { LeaseView } from "./leases.ts";
import { createMaker, type Made, type MakerDeps } from "./maker.ts";
import { defaultProgressDeadlineSeconds } from "./manifests.ts";
import { annotations, labels, lastingName } from "./names.ts";
import type { PeerNamespaces } from "./namespace.ts";
import type { Plan } from "./plan.ts";
import { templateOf } from "./pod.ts";
import { inAskedNames, type PullDoor, pulledImages } from "./pulled-images.ts";
import { type Readiness, readiness } from "./readiness.ts";
import type { Room } from "./room.ts";
import type { Standing } from "./standing.ts";
import { type Obstacle, statusOf } from "./status.ts";
import { stop } from "./stop.ts";

export interface Runner {
  /** The Workload, or something of it, changed. */
  add(key: string): void;
  /** The status as it was found last, which may not be written yet. */
  statusOf(key: string): WorkloadStatus | undefined;
  /** How that which runs is, whatever becomes of what is asked for; undefined when nothing may run, or it is not known yet. */
  runsOf(key: string): Pick<Readiness, "phase" | "message"> | undefined;
  oldestPendingMs(): number;
  close(): Promise<void>;
}

export interface RunnerDeps {
  client: MakerDeps["client"];
  book: WorkloadBook;
  desk: Pick<AdmissionDesk, "ready" | "standing" | "policyOf" | "hasRoomToSurge">;
  record: Pick<AdmissionRecord, "stands">;
  /** Whether what goes on only by its origin's word may go on; undefined of what goes on for ever. */
  leaseOf(workload: Workload): LeaseView | undefined;
  namespaces: PeerNamespaces;
  contents: Pick<Contents, "make" | "tidy">;
  /** Opens the namespace if it is not open; it must be claimed before. */
  room(namespace: string): Room;
  lines: CrashLines;
  statuses: StatusWriter<WorkloadStatus>;
  /** Where images come from that origins bring along; undefined when the nodes have no such way. */
  pullDoor?: PullDoor | undefined;
  /** Told when what `statusOf` says has changed. */
  onStatus(key: string): void;
  clock: Clock;
  log: Log;
}

interface Memory {
  readonly made: Made;
  /** Once its namespace is known to be its peer's. */
  room?: Room;
  status?: WorkloadStatus;
  /** Of the pods that `status` is about. */
  template?: string;
  /** Of the spec that `status` is about. */
  hash?: string;
  runs?: Pick<Readiness, "phase" | "message"> | undefined;
}

/** One look at a Workload. */
interface Present {
  readonly key: string;
  readonly workload: Workload;
  readonly memory: Memory;
  /** Undefined while it is being deleted. */
  readonly standing: Standing | undefined;
  readonly plan: Plan | undefined;
  readonly lease: LeaseView | undefined;
  /** Why what is admitted cannot be planned. */
  readonly obstacle?: Obstacle | undefined;
}

/** What the API server answers when trying again would change nothing. */
const refusals: ReadonlySet<number> = new Set([400, 403, 422]);
const retryRefusedMs = 60_000;
/** How soon a Workload is looked at again that was changed while it was written, in milliseconds. */
const conflictGapMs = 100;
/** Approvals end by the wall clock, which may be set forward while a timer waits: it is read at least so often, in milliseconds. */
const longestWaitMs = 60_000;

export function createRunner(deps: RunnerDeps): Runner {
  const { client, book, clock, log } = deps;
  const maker = createMaker({ client, latest: book.latest, clock, log });
  const memories = new Map<string, Memory>();
  const worker = createKeyedWorker({ run, clock, concurrency: 8, onError });

  async function run(key: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    await deps.desk.ready(signal);
    const found = book.latest.get(key);
    if (!found) {
      memories.delete(key);
      deps.statuses.forget(key);
      deps.lines.want(refOf(key), []);
      return;
    }
    if (!isInPlace(found)) return;
    const memory = memories.get(key) ?? { made: { applied: new Map() } };
    memories.set(key, memory);
    const workload = await admitIfNew(found, signal);
    const standing = deps.desk.standing(key);
    // A change that came meanwhile has its own run; until then nothing is made of what was written before it.
    if (standing?.isNew && !workload.problems?.length) return { againMs: conflictGapMs };
    const lease = deps.leaseOf(workload);
    const isOver = lease?.leftMs === 0;
    const planned = standing?.admitted && planFor(workload, standing.admitted, standing.isStopped || isOver);
    const [plan, blocked] = planned && "reason" in planned ? [undefined, planned] : [planned, undefined];
    const present = { key, workload, memory, standing, plan, obstacle: blocked, lease };
    const outcome = await tryToMake(present, signal);
    const hindrance = typeof outcome === "object" ? outcome : undefined;
    const obstacle = hindrance && isOver ? await stopAtLeast(present, hindrance, signal) : hindrance;
    const idle = plan && isOver && !standing?.isStopped ? leaseOver(workload, lease) : undefined;
    const lookAgainMs = report(present, obstacle ?? idle);
    const tidyAgainMs = await tidy(present, signal);
    // The cluster's refusal is an answer: it is asked again now and then, since nobody tells when its rules change.
    const makeAgainMs = obstacle ? (obstacle.againMs ?? retryRefusedMs) : outcome;
    const endsInMs = standing?.until === undefined ? undefined : Math.max(1, standing.until - clock.now());
    const judgeAgainMs = endsInMs === undefined ? undefined : Math.min(endsInMs, longestWaitMs);
    const leaseMs = lease && !isOver ? Math.min(lease.leftMs, longestWaitMs) : undefined;
    const again = [lookAgainMs, makeAgainMs, judgeAgainMs, leaseMs, tidyAgainMs].filter((ms) => typeof ms === "number");
    return again.length > 0 ? { againMs: Math.min(...again) } : undefined;
  }

  /** What an app brought along earlier goes when nothing of it runs by that any more. */
  async function tidy({ workload, memory: { room, runs } }: Present, signal: AbortSignal): Promise<number | undefined> {
    if (!room?.isSynced || workload.metadata.deletionTimestamp) return undefined;
    const pods = room.podsOf(workload.metadata.name ?? "");
    const users = [controllerOf(workload, room)?.object, ...jobsOf(workload, room), ...pods];
    return deps.contents.tidy(workload, { isSettled: runs?.phase === "Ready", users }, signal);
  }

  /**
   * Writes down what the desk admits: `spec.running` becomes `spec.app`. With the version that was judged, so that an edit that
   * came meanwhile is not admitted by the answer to what was before it.
   */
  async function admitIfNew(workload: Workload, signal: AbortSignal): Promise<Workload> {
    const standing = deps.desk.standing(keyOf(workload));
    if (!standing?.isNew || !standing.admitted || workload.problems?.length) return workload;
    const { name = "", namespace = "", uid = "", resourceVersion = "" } = workload.metadata;
    const { origin, app } = workload.spec;
    const spec = create(WorkloadSpecSchema, { ...(origin ? { origin } : {}), ...(app ? { app, running: app } : {}) });
    try {
      const metadata = { name, namespace, uid, resourceVersion, ...ours(workload) };
      const answer = await client.apply(workloads, { metadata, spec }, { force: true }, signal);
      book.latest.put(answer);
      return answer;
    } catch (error) {
      if (!isConflict(error)) throw error;
      const live = await client.get(workloads, refOf(workload), signal);
      if (live) book.latest.put(live);
      return live ?? workload;
    }
  }

  function planFor(workload: Workload, app: RemoteAppSpec, isStopped: boolean): Plan | Obstacle {
    const { peer = "", fingerprint = "" } = workload.spec.origin ?? {};
    const tenant = { peer, fingerprint };
    const { podSecurity, nodeSelector } = deps.desk.policyOf(tenant);
    const replicas = isStopped ? 0 : (app.replicas ?? 1);
    const images = pulledImages(deps.pullDoor, workload, app);
    const isImpeded = images !== undefined && "reason" in images;
    // What must stop stops, wherever its images would come from.
    if (isImpeded && !isStopped) return images;
    const surge = deps.desk.hasRoomToSurge(tenant, app);
    return { app, isStopped, replicas, podSecurity, nodeSelector, surge, ...(images && !isImpeded && { images }) };
  }

  /** Why it cannot be made, or in how many milliseconds to try again, or nothing. */
  async function tryToMake(
    { workload, memory, plan, obstacle, standing, lease }: Present,
    signal: AbortSignal,
  ): Promise<Obstacle | number | undefined> {
    const { namespace = "", deletionTimestamp } = workload.metadata;
    if (deletionTimestamp) {
      memory.room ??= deps.room(namespace);
      return undefined;
    }
    const { peer = "", fingerprint = "" } = workload.spec.origin ?? {};
    try {
      const claim = await deps.namespaces.claim({ peer, fingerprint }, signal);
      if (!claim.ok) return { reason: claim.reason, message: claim.message };
      memory.room ??= deps.room(namespace);
      if (workload.problems?.length) {
        const message = `This agent does not understand the Workload: ${workload.problems.join("; ")}.`;
        return { reason: "UnknownFields", message };
      }
      if (obstacle) return obstacle;
      // What must stop stops, whatever is missing.
      const isStopping = standing?.isStopped || lease?.leftMs === 0;
      const wait = plan && !isStopping && (await deps.contents.make(workload, plan.app, signal));
      if (wait) return wait;
      if (plan) return await maker.make(workload, plan, memory.made, memory.room, signal);
      await removeUnadmitted(workload, memory.room, signal);
      return undefined;
    } catch (error) {
      if (error instanceof DroppedFields) return droppedObstacle(error);
      // The namespace may be on its way out, or gone.
      if (error instanceof KubeError && (error.status === 404 || error.status === 403)) deps.namespaces.doubt(peer);
      if (!(error instanceof KubeError) || !refusals.has(error.status)) throw error;
      log.warn({ workload: keyOf(workload), err: error }, "the cluster refuses what a workload needs");
      return { reason: error.reason, message: `The host's cluster refuses: ${error.message}` };
    }
  }

  /** It may run at another peer by now, so it stops whatever keeps it from being made as it should be. */
  async function stopAtLeast(
    { workload, memory, lease }: Present,
    why: Obstacle,
    signal: AbortSignal,
  ): Promise<Obstacle> {
    memory.room ??= deps.room(workload.metadata.namespace ?? "");
    await stop(client, workload, memory.room, signal);
    return { ...why, message: `${why.message} ${leaseOver(workload, lease ?? { leftMs: 0 }).message}` };
  }

  /** Nothing of it was ever admitted, so whatever runs in its name was made by somebody else, or by an agent without policies. */
  async function removeUnadmitted(workload: Workload, room: Room, signal: AbortSignal): Promise<void> {
    const found = controllerOf(workload, room);
    if (!found || !isOf(workload, found.object)) return;
    const { object } = found;
    await client.delete(resourceOf(found), refOf(object), { uid: object.metadata.uid }, signal);
  }

  /** Returns in how many milliseconds the passing of time alone may change the answer. */
  function report(
    { key, workload, memory, standing, plan, lease }: Present,
    obstacle: Obstacle | undefined,
  ): number | undefined {
    const { room } = memory;
    // Before all is known, pods that run would look missing.
    if (!room?.isSynced && workload.status && !obstacle) return undefined;
    const now = clock.now();
    const controller = room && controllerOf(workload, room);
    const template = plan ? templateIn(controller, templateOf(workload, plan)) : "";
    const seen = readiness({
      desired: plan?.replicas ?? 0,
      controller,
      jobs: room ? jobsOf(workload, room) : [],
      finished: plan && finishedRun(workload, plan.app),
      pods: room?.podsOf(workload.metadata.name ?? "") ?? [],
      template,
      lastLines: (pod, container) => deps.lines.get(refOf(key), pod, container),
      progressDeadlineSeconds: plan?.app.progressDeadlineSeconds ?? defaultProgressDeadlineSeconds,
      // After a start of this agent the status tells of the rollout that was under way before it.
      rollout: (memory.template ?? template) === template ? (memory.status ?? workload.status)?.rollout : undefined,
      now,
    });
    deps.lines.want(refOf(key), seen.crashes);
    const before = memory.status ?? workload.status;
    const isSameWish = memory.hash === undefined || memory.hash === standing?.hash;
    const events = room?.eventsOf(workload.metadata.name ?? "", lastingName(workload)) ?? [];
    const look = { seen, events, obstacle, standing, before, isSameWish, leaseUntil: lease?.until };
    const status = statusOf(workload, inAskedNames(look, plan?.images), now);
    if (before?.phase !== status.phase || before?.reason !== status.reason) {
      const { phase, reason, message } = status;
      log.info(
        { workload: key, peer: workload.spec.origin?.peer, phase, reason, detail: message },
        "a workload changed",
      );
    }
    if (standing) {
      deps.record.stands(workload, standing, before);
      memory.hash = standing.hash;
    }
    memory.status = status;
    memory.template = template;
    memory.runs = plan && !standing?.isStopped && !obstacle ? seen : undefined;
    deps.statuses.write({ metadata: workload.metadata, status }, { passes: isOnTheWay(status) });
    deps.onStatus(key);
    return seen.againMs;
  }

  function onError(key: string, error: unknown, attempt: number): void {
    log.warn({ workload: key, err: error, attempt }, "a workload could not be made as it should be; it is tried again");
  }

  return {
    add: (key) => worker.add(key),
    statusOf: (key) => memories.get(key)?.status,
    runsOf: (key) => memories.get(key)?.runs,
    oldestPendingMs: () => worker.oldestPendingMs(),
    close: () => worker.close(),
  };
}

/** Why it does not run, without word from its origin. */
function leaseOver({ spec }: Workload, { until }: LeaseView): Obstacle {
  const { peer = "its origin", leaseSeconds = 0 } = spec.origin ?? {};
  if (until === undefined) {
    const message = `It begins when ${peer} says that it may, since it is to run at one peer at a time.`;
    return { phase: "Pending", reason: "WaitsForLease", message };
  }
  const message = `${peer} has not said for ${leaseSeconds} s that it may go on. It is stopped, as it may run at another peer by now.`;
  return { reason: "LeaseEnded", message };
}

/** What the agent applies of a Workload's metadata: an apply drops what was applied before and is left out. */
function ours({ metadata, spec }: Workload): Pick<Workload["metadata"], "labels" | "annotations"> {
  const hash = metadata.annotations?.[annotations.wishHash];
  return {
    labels: { [labels.managedBy]: "fairlead", [labels.peer]: spec.origin?.peer ?? "" },
    ...(hash === undefined ? {} : { annotations: { [annotations.wishHash]: hash } }),
  };
}
