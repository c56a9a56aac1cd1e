/**
 * The one way to admission: every wish that comes and every change of anything that counts is judged here, and nowhere else.
 * It knows what all peers' apps take, gathers what the rules need to know, asks them, and takes the place of what is admitted in
 * the same turn of the event loop.
 */
import { create } from "@bufbuild/protobuf";
import { abortable } from "../../base/abort.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { WorkloadSpecSchema } from "../../gen/fairlead/resources/v1alpha1/workload_pb.ts";
import { keyOf } from "../../kube/object.ts";
import type { Workload } from "../../kube/resources.ts";
import { admit, type Finding, type Verdict } from "../../policy/admission.ts";
import { type EffectivePolicy, effectivePolicy } from "../../policy/effective.ts";
import type { Taken } from "../../policy/usage.ts";
import { endOfApproval } from "./approval.ts";
import { isInPlace, type WorkloadBook } from "./book.ts";
import { createDemands, hasRoomForOne } from "./demands.ts";
import type { Tenant } from "./namespace.ts";
import { createPlaces, larger, noDemand } from "./places.ts";
import { createQueue, inboxFull, isQueueing } from "./queue.ts";
import { createRounds } from "./rounds.ts";
import { createSpecHashes } from "./spec-hashes.ts";
import { type Question, type Rules, type Standing, standingOf } from "./standing.ts";
import { isStoppedBy } from "./status.ts";

export interface DeskDeps {
  book: WorkloadBook;
  policies: HostPolicies;
  /** What the peer may do here now; undefined for an agent that is no peer. */
  grants(fingerprint: string): readonly string[] | undefined;
  /** Resolves when the grants of all peers are known. */
  grantsKnown(signal: AbortSignal): Promise<void>;
  /** The Workload stands otherwise than before, or has to be looked at again. */
  onChange(key: string): void;
  /** There may be room now for what this peer was refused for want of it. */
  onRoom(fingerprint: string): void;
  /** That this cluster's nodes can pull what peers bring along. */
  hasImageDoor: boolean;
  /** There is no cluster here, so that nothing can run. */
  standsAlone: boolean;
  clock: Clock;
}

/** What counts for peers here, and news of it. */
export interface HostPolicies {
  /** Undefined for an agent that is no peer. */
  of(fingerprint: string): EffectivePolicy | undefined;
  subscribe(fn: (fingerprint: string) => void): () => void;
  synced(signal: AbortSignal): Promise<void>;
}

/** What became of a wish that was asked about. */
export interface Answer {
  readonly standing: Standing;
  /**
   * Ends what was reserved for a wish that was not denied: it is stored, or will not be. "unknown": the write may yet turn
   * out to have been carried out, so the place is kept for a while.
   */
  settle(outcome: "over" | "unknown"): void;
}

/** Where a wish is to be stored, and what is stored there now. */
interface At {
  readonly key: string;
  readonly known: Workload | undefined;
}

export interface AdmissionDesk {
  /** Resolves when all that counts is known: before that nothing can be judged. */
  ready(signal: AbortSignal): Promise<void>;
  /** How a stored Workload stands now; undefined for one that is gone, is being deleted or stands nowhere. */
  standing(key: string): Standing | undefined;
  /** The same as it was found last, which costs nothing: for lists. */
  lastStanding(key: string): Standing | undefined;
  /** Judges what would become of a Workload with this spec, and keeps its place unless it is denied. */
  ask(tenant: Tenant, at: At, app: RemoteAppSpec): Answer;
  /** The same without keeping a place. */
  check(tenant: Tenant, at: At, app: RemoteAppSpec): Standing;
  /** What counts for a peer changed: all that it has here is judged anew. */
  review(fingerprint: string): void;
  /** Names a spec by what it says (spec-hash.ts). */
  hashOf(app: RemoteAppSpec): string;
  /** The policy that counts for a tenant; one that lets nothing run for an agent that is no peer. */
  policyOf(tenant: Tenant): EffectivePolicy;
  /** Whether the peer's quota has room for one more pod of this app, as a rolling update wants. */
  hasRoomToSurge(tenant: Tenant, app: RemoteAppSpec): boolean;
  close(): void;
}

/** For how long the place of a wish is kept whose write ended in nobody knows what, in milliseconds. */
const doubtMs = 30_000;
export function createAdmissionDesk(deps: DeskDeps): AdmissionDesk {
  const { book, clock } = deps;
  const demandFor = createDemands();
  const hashOf = createSpecHashes();
  const standings = new Map<string, Standing>();
  const rounds = createRounds({ inOrder, judge: judgeAgain, onRoom: deps.onRoom, clock });
  const places = createPlaces(() => rounds.plan());
  const queue = createQueue(() => rounds.plan());
  const doubts = new Map<string, Timer>();
  const closing = new AbortController();
  let isReady = false;
  const known = Promise.all([
    book.latest.synced(closing.signal),
    deps.policies.synced(closing.signal),
    deps.grantsKnown(closing.signal),
  ]).then(rebuild);
  known.catch(() => undefined); // It rejects only when the desk closes; whoever waits hears of it.

  /** What ran when this agent last looked keeps its place, whatever the order in which it is judged now. */
  function rebuild(): void {
    isReady = true;
    const peers = new Set<string>();
    for (const workload of book.latest.list()) {
      if (!isInPlace(workload)) continue;
      const tenant = tenantOf(workload);
      const { running } = workload.spec;
      const runs = running && !isStoppedBy(workload.status);
      // What was stopped takes its place anew if there is one.
      const isIdle = running === undefined;
      const owner = { fingerprint: tenant.fingerprint, key: keyOf(workload) };
      places.take(owner, runs ? demandIn(workload, running, policyOf(tenant)) : isIdle ? noDemand : undefined);
      peers.add(tenant.fingerprint);
    }
    for (const fingerprint of peers) review(fingerprint);
  }

  function judge(key: string): Standing | undefined {
    const workload = book.latest.get(key);
    if (!isReady || !workload || !isInPlace(workload)) return undefined;
    const tenant = tenantOf(workload);
    const owner = { fingerprint: tenant.fingerprint, key };
    if (workload.metadata.deletionTimestamp) {
      // Its pods take their room until they are gone.
      forget(key);
      queue.set(owner, false);
      return undefined;
    }
    const wasStopped = standings.get(key)?.isStopped ?? isStoppedBy(workload.status);
    const standing = standingOf(workload, rulesFor(tenant, { key, known: workload }, wasStopped), clock.now());
    standings.set(key, standing);
    queue.set(owner, isQueueing(standing));
    rounds.set(key, wantsRoom(standing));
    places.take(owner, taken(workload, standing, policyOf(tenant)));
    return standing;
  }

  function taken(workload: Workload, standing: Standing, policy: EffectivePolicy): Taken | undefined {
    const { admitted, isNew, isStopped, verdict } = standing;
    // What waits for a person is one of the peer's apps; what a rule stopped makes room for others in every way.
    if (isStopped && verdict.decision === "deny") return undefined;
    if (!admitted || isStopped) return noDemand;
    const { running } = workload.spec;
    const own = demandIn(workload, admitted, policy);
    // Until it is written down and made, what ran before may still be there.
    return isNew && running ? larger(demandIn(workload, running, policy), own) : own;
  }

  /** An image that runs by an approval which ends is no image that others may stand on: they would outlive the approval. */
  function demandIn(workload: Workload, app: RemoteAppSpec, policy: EffectivePolicy): Taken {
    const demand = demandFor(workload, app, policy);
    return endOfApproval(workload, hashOf(app)) === undefined ? demand : { ...demand, images: [] };
  }

  function rulesFor(tenant: Tenant, { key, known }: At, wasStopped: boolean): Rules {
    const { peer, fingerprint } = tenant;
    if (deps.standsAlone) return { judge: nowhere, hashOf, whenViolated: "Keep" };
    const policy = deps.policies.of(fingerprint);
    const grants = deps.grants(fingerprint);
    if (!policy || !grants) {
      // What a former peer runs here is the operator's to keep or to delete, and nothing else of it is judged any more.
      return { judge: () => strangers(peer), hashOf, whenViolated: wasStopped ? "Stop" : "Keep" };
    }
    const { ledger } = places;
    const judgeOne = ({ app, hash, running, isRunningBounded, decision }: Question): Verdict =>
      admit(
        { app, demand: demandFor(known, app, policy) },
        {
          peer,
          grants,
          policy,
          usage: ledger.of(fingerprint, key),
          totalUsage: ledger.total({ fingerprint, key }),
          knownImages: ledger.images(fingerprint, key),
          hasImageDoor: deps.hasImageDoor,
          hash,
          now: clock.now(),
          isRunningBounded,
          ...(running ? { running } : {}),
          ...(decision ? { decision } : {}),
        },
      );
    return { judge: judgeOne, hashOf, whenViolated: policy.whenViolated };
  }

  function policyOf({ peer, fingerprint }: Tenant): EffectivePolicy {
    return deps.policies.of(fingerprint) ?? effectivePolicy([], { name: peer, labels: {} });
  }

  function review(fingerprint: string): void {
    if (!isReady) return;
    const theirs = [...book.of(fingerprint).values()].sort(byAge);
    const keys = theirs.map((workload) => keyOf(workload));
    // Where not all can go on, what came last goes first; and what that leaves is for those that came first.
    for (const key of keys.toReversed()) judge(key);
    for (const key of keys) if (rounds.isWaiting(key)) judge(key);
    for (const key of keys) deps.onChange(key);
  }

  function ask(tenant: Tenant, at: At, app: RemoteAppSpec): Answer {
    const owner = { fingerprint: tenant.fingerprint, key: at.key };
    const standing = check(tenant, at, app);
    const { decision, findings } = standing.verdict;
    if (decision === "deny") {
      if (findings.some(isAboutRoom)) rounds.refused(tenant.fingerprint);
      return { standing, settle: () => undefined };
    }
    doubts.get(at.key)?.cancel();
    if (isQueueing(standing)) queue.set(owner, true);
    // What will wait for a person is one of the peer's apps already.
    const policy = policyOf(tenant);
    const asked = at.known ? demandIn(at.known, app, policy) : demandFor(undefined, app, policy);
    places.reserve(owner, decision === "admit" ? asked : noDemand);
    const settle = (outcome: "over" | "unknown"): void => {
      doubts.get(at.key)?.cancel();
      doubts.delete(at.key);
      if (outcome === "unknown") {
        const later = clock.after(doubtMs, () => settle("over"));
        doubts.set(at.key, later);
        return;
      }
      places.release(owner);
      if (!book.latest.get(at.key)) queue.set(owner, false);
    };
    return { standing, settle };
  }

  function check(tenant: Tenant, at: At, app: RemoteAppSpec): Standing {
    const metadata = at.known?.metadata ?? {};
    const spec = create(WorkloadSpecSchema, { ...at.known?.spec, app });
    const wasStopped = standings.get(at.key)?.isStopped ?? false;
    const standing = standingOf({ metadata, spec }, rulesFor(tenant, at, wasStopped), clock.now());
    const isFull = isQueueing(standing) && !queue.hasRoom({ fingerprint: tenant.fingerprint, key: at.key });
    return isFull ? { ...standing, verdict: { decision: "deny", findings: [inboxFull] } } : standing;
  }

  /** The Workloads with these keys, the oldest first. */
  function inOrder(keys: Iterable<string>): string[] {
    const found = [...keys].flatMap((key) => book.latest.get(key) ?? []);
    return found.sort(byAge).map((workload) => keyOf(workload));
  }

  function judgeAgain(key: string): void {
    const before = standings.get(key);
    const now = judge(key);
    const isSame = now?.verdict.decision === before?.verdict.decision && now?.isStopped === before?.isStopped;
    if (!isSame) deps.onChange(key);
  }

  function forget(key: string): void {
    standings.delete(key);
    rounds.set(key, false);
  }

  const unsubscribe = book.latest.subscribe((key, workload, before) => {
    if (before && (!workload || tenantOf(before).fingerprint !== tenantOf(workload).fingerprint)) {
      const owner = { fingerprint: tenantOf(before).fingerprint, key };
      forget(key);
      queue.set(owner, false);
      places.take(owner, undefined);
    }
    judge(key);
  });

  return {
    ready: (signal) => abortable(known, signal),
    standing: judge,
    lastStanding: (key) => standings.get(key),
    ask,
    check,
    review,
    hashOf,
    policyOf,
    hasRoomToSurge(tenant, app) {
      const policy = policyOf(tenant);
      return hasRoomForOne(
        demandFor(undefined, app, policy).pod,
        policy.quota,
        places.ledger.of(tenant.fingerprint, "").amounts,
      );
    },
    close() {
      unsubscribe();
      closing.abort(new Error("The admission desk is closing."));
      rounds.close();
      for (const timer of doubts.values()) timer.cancel();
    },
  };
}

function tenantOf({ spec }: Workload): Tenant {
  return { peer: spec.origin?.peer ?? "", fingerprint: spec.origin?.fingerprint ?? "" };
}

/** Oldest first; of one second by name, so that the order is the same in each process. */
function byAge(a: Workload, b: Workload): number {
  const text = ({ metadata }: Workload): string => `${metadata.creationTimestamp ?? ""} ${metadata.name ?? ""}`;
  return text(a) < text(b) ? -1 : 1;
}

/** Rules that compare with what others take: the answer may change without anybody changing the wish or the policy. */
export function isAboutRoom({ rule }: Pick<Finding, "rule">): boolean {
  return /^(quota|total|apps|inbox\/full)/.test(rule);
}

function wantsRoom({ verdict, isStopped, violations }: Standing): boolean {
  const isDenied = verdict.decision === "deny" && verdict.findings.some(isAboutRoom);
  return isDenied || (isStopped && violations.some(isAboutRoom));
}

function nowhere(): Verdict {
  const message = "this agent stands alone, in no cluster, and runs no apps; what it offers is tunnels to its targets";
  return { decision: "deny", findings: [{ rule: "host/standalone", field: "", message }] };
}

function strangers(peer: string): Verdict {
  const message = `${peer} is no peer of this cluster any more; its operator can pair with it again: fairlead invite`;
  return { decision: "deny", findings: [{ rule: "peer/unknown", field: "", message }] };
}
