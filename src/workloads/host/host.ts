/** The host's half: what peers run here. */
import type { ServiceImpl, Transport } from "@connectrpc/connect";
import type { AuditEntry } from "../../audit/entry.ts";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { IntentService } from "../../gen/fairlead/peer/v1/intent_pb.ts";
import type { WorkloadService } from "../../gen/fairlead/peer/v1/workload_pb.ts";
import type { AppPod } from "../../gen/fairlead/resources/v1alpha1/app_pod_pb.ts";
import { createIntentHost } from "../../intent/host.ts";
import type { KubeClient } from "../../kube/client.ts";
import { keyOf, type ObjectRef } from "../../kube/object.ts";
import type { PodAccess } from "../../kube/pods.ts";
import { createReflector } from "../../kube/reflector.ts";
import { type Workload, workloads } from "../../kube/resources.ts";
import { createStatusWriter } from "../../kube/status-writer.ts";
import type { Roster } from "../../peering/roster.ts";
import { isPulledThrough } from "../../policy/pinned-images.ts";
import { callingPeer } from "../caller.ts";
import type { ContentHash } from "../content-hash.ts";
import { createLatest } from "../latest.ts";
import { createAdmissionDesk, type HostPolicies, isAboutRoom } from "./admission-desk.ts";
import { createAdmissionRecord } from "./admission-record.ts";
import { createWorkloadBook } from "./book.ts";
import { portName } from "./containers.ts";
import { createContents } from "./contents.ts";
import { createCrashLines } from "./crash-lines.ts";
import { createGuardedNamespaces, type GuardedNamespaces } from "./guarded-namespaces.ts";
import type { AgentPlace } from "./guards-facts.ts";
import { createInbox, type DecisionRequest, type HeldItem } from "./inbox.ts";
import { createLeases, type LeaseDeps } from "./leases.ts";
import { annotations, selectorOf } from "./names.ts";
import type { PullDoor } from "./pulled-images.ts";
import { openRoom, type Room } from "./room.ts";
import { createRunner } from "./runner.ts";
import { createHeldStore, deleteWorkload } from "./store.ts";
import { createWorkloadService } from "./workload-service.ts";

export interface HostDeps {
  client: KubeClient;
  /** Reads what containers printed. */
  logs: PodAccess["logs"];
  /** Who our peers are, and what they may do here now. */
  roster: Pick<Roster, "byFingerprint" | "subscribe" | "synced">;
  /** RPC with a peer. */
  transport(peer: string): Transport;
  /** How the link to a peer is, and news of it. */
  links: LeaseDeps["links"];
  /** How far they may go. */
  policies: HostPolicies;
  /** Where this agent runs, for what is made of the policies. */
  place: AgentPlace;
  /** Writes down what is decided. */
  audit: { record(entry: AuditEntry): unknown };
  /** The ClusterRole that the agent binds to itself in each peer's namespace; nothing is bound unless given. */
  tenantRole?: string | undefined;
  /** Names the content of a Secret or ConfigMap that a peer's app brings along, under a key of this agent's. */
  hashContent: ContentHash;
  /** Where this cluster's nodes pull what peers bring along; undefined when they have no such way. */
  pullDoor?: PullDoor | undefined;
  /** There is no cluster here: whatever is asked for is denied. Not unless given. */
  standsAlone?: boolean;
  clock: Clock;
  log: Log;
  /** Bounds of what one peer may hold here; those of intent unless given. */
  limits?: { objects?: number; specBytes?: number };
}

/** Where a peer's app runs here. */
export interface RunningApp {
  readonly namespace: string;
  /** Of the Workload, its Deployment and its Service. */
  readonly name: string;
  /** Of its pods. */
  readonly selector: { readonly [label: string]: string };
  readonly ports: readonly { readonly name: string; readonly number: number; readonly appProtocol: string }[];
  /** As the Workload's status says. */
  readonly phase: string;
  readonly message: string;
}

/** What a peer runs here and no longer knows. */
export interface HeldOrphan {
  readonly workload: { readonly namespace: string; readonly name: string };
  readonly peer: string;
  readonly origin: { readonly namespace: string; readonly name: string };
  /** RFC 3339 in UTC. */
  readonly since: string;
}

export interface WorkloadHost {
  readonly intent: ServiceImpl<typeof IntentService>;
  readonly service: ServiceImpl<typeof WorkloadService>;
  /** Finds the caller's own app by its RemoteApp; undefined when there is none, or when it is another peer's. */
  find(fingerprint: string, app: { namespace: string; name: string; uid?: string }): RunningApp | undefined;
  /** What a peer runs here, by its RemoteApps; an orphan too, unless another app bears its name by now. */
  apps(fingerprint: string): { readonly namespace: string; readonly name: string; readonly app: RunningApp }[];
  /** Pods of apps whose origins bring their images along, and that wait for an image in vain; by `namespace/name`. */
  waitingForImages(): string[];
  /** Calls `fn` with the fingerprint of the peer after each change of one of its apps. */
  subscribe(fn: (fingerprint: string) => void): () => void;
  /** How many Workloads a peer has here; of all peers unless one is named. */
  count(fingerprint?: string): number;
  orphans(): HeldOrphan[];
  /** False when there is no such Workload or it is no orphan. */
  deleteOrphan(workload: ObjectRef, signal: AbortSignal): Promise<boolean>;
  /** Deletes all that a peer runs here, for an operator who removes the peer and says so. */
  deleteAllOf(fingerprint: string, signal: AbortSignal): Promise<void>;
  /** What waits for a person here, and what was decided and still counts; the oldest first. */
  held(): HeldItem[];
  heldItem(name: string): HeldItem | undefined;
  /**
   * A person's word about an item: it counts for exactly what has the hash. Throws a HostError: "not-found" when nothing of that
   * name waits or was decided, "changed" when it is no longer what the person saw.
   */
  decide(name: string, request: DecisionRequest, signal: AbortSignal): Promise<HeldItem>;
  /** The namespace that is the peer's own, made and guarded if it has to be. Rejects on trouble that may pass. */
  claimNamespace: GuardedNamespaces["claim"];
  /** Age of the oldest unfinished work, in milliseconds; for health. */
  oldestPendingMs(): number;
  close(): Promise<void>;
}

export function createHost(deps: HostDeps): WorkloadHost {
  const { client, clock, log } = deps;
  const book = createWorkloadBook(createLatest(createReflector({ client, kind: workloads, clock, log })));
  const namespaces = createGuardedNamespaces({
    client,
    roster: deps.roster,
    policies: deps.policies,
    tenantRole: deps.tenantRole,
    place: deps.place,
    onGuarded: rulesChanged,
    clock,
    log,
  });
  const rooms = new Map<string, Room>();
  const statusListeners = new Set<(key: string) => void>();
  const statuses = createStatusWriter({ client, kind: workloads, clock, log });
  const lines = createCrashLines({ logs: deps.logs, onRead: (key) => runner.add(key), clock, log });
  const record = createAdmissionRecord({ audit: deps.audit, clock });
  const desk = createAdmissionDesk({
    book,
    policies: deps.policies,
    grants: (fingerprint) => deps.roster.byFingerprint(fingerprint)?.grants,
    grantsKnown: (signal) => deps.roster.synced(signal),
    onChange: (key) => runner.add(key),
    onRoom: (fingerprint) => intent.reconsider(fingerprint, ({ violations }) => violations.some(isAboutRoom)),
    hasImageDoor: deps.pullDoor !== undefined,
    standsAlone: deps.standsAlone ?? false,
    clock,
  });
  const leases = createLeases({
    book,
    nameOf: (fingerprint) => deps.roster.byFingerprint(fingerprint)?.name,
    transport: deps.transport,
    links: deps.links,
    onChange: (key) => runner.add(key),
    clock,
    log,
  });
  const contents = createContents({ client, hashContent: deps.hashContent, onChange: onContents, clock, log });
  const { pullDoor } = deps;
  const runner = createRunner({
    ...{ client, book, desk, record, namespaces, contents, leaseOf: leases.of },
    ...{ room, lines, statuses, onStatus, pullDoor, clock, log },
  });

  /** What has content runs by it, and what lacks some is asked of its origin again. */
  function onContents(namespace: string, name: string | undefined): void {
    onRoomChange(namespace, name);
    const keys = name === undefined ? inNamespace(namespace) : [`${namespace}/${name}`];
    for (const key of keys) onStatus(key);
  }

  function inNamespace(namespace: string): string[] {
    return [...book.latest.list()].flatMap((one) => (one.metadata.namespace === namespace ? [keyOf(one)] : []));
  }

  function onStatus(key: string): void {
    for (const fn of statusListeners) fn(key);
  }

  function room(namespace: string): Room {
    let known = rooms.get(namespace);
    if (!known) {
      known = openRoom({ client, namespace, onChange: (name) => onRoomChange(namespace, name), clock, log });
      rooms.set(namespace, known);
    }
    return known;
  }

  function onRoomChange(namespace: string, name: string | undefined): void {
    if (name !== undefined) {
      runner.add(`${namespace}/${name}`);
      return;
    }
    for (const key of inNamespace(namespace)) runner.add(key);
  }

  const storeDeps = {
    client,
    book,
    desk,
    record,
    namespaces,
    contents,
    hashContent: deps.hashContent,
    statusOf: runner.statusOf,
    subscribeStatus(fn: (key: string) => void) {
      statusListeners.add(fn);
      return () => void statusListeners.delete(fn);
    },
    clock,
  };
  const intent = createIntentHost({
    caller: callingPeer,
    kinds: new Map([["workload", (caller) => createHeldStore(storeDeps, caller)]]),
    clock,
    log,
    ...(deps.limits ? { limits: deps.limits } : {}),
  });
  const inbox = createInbox({
    client,
    book,
    desk,
    statusOf: (key) => runner.statusOf(key),
    onDecision: (item, request) => record.decided(item, request),
    clock,
  });
  const unsubscribe = [
    book.latest.subscribe((key) => runner.add(key)),
    deps.roster.subscribe(({ before, after }) => {
      for (const fingerprint of new Set([before?.fingerprint, after?.fingerprint])) rulesChanged(fingerprint);
    }),
    deps.policies.subscribe(rulesChanged),
  ];

  /** What is here is judged anew, and what was refused may be asked for again. */
  function rulesChanged(fingerprint: string | undefined): void {
    if (fingerprint === undefined) return;
    desk.review(fingerprint);
    intent.reconsider(fingerprint);
  }

  function find(fingerprint: string, app: { namespace: string; name: string; uid?: string }): RunningApp | undefined {
    const named = book.named(fingerprint, app).filter(({ spec }) => (app.uid ?? spec.origin?.uid) === spec.origin?.uid);
    // After a name was used again at the origin, an orphan may bear it too.
    const found = named.find((workload) => !isOrphan(workload)) ?? named[0];
    if (!found) return undefined;
    const key = keyOf(found);
    return runningApp(found, runner.runsOf(key) ?? runner.statusOf(key) ?? found.status);
  }

  return {
    intent: intent.service,
    service: createWorkloadService({ caller: callingPeer, client, book, desk, record }),
    find,
    apps(fingerprint) {
      const origins = [...book.of(fingerprint).values()].flatMap(({ spec }) => spec.origin ?? []);
      const names = new Map(
        origins.map(({ namespace = "", name = "" }) => [`${namespace}/${name}`, { namespace, name }]),
      );
      return [...names.values()].flatMap((ref) => {
        const app = find(fingerprint, ref);
        return app ? [{ ...ref, app }] : [];
      });
    },
    waitingForImages: () =>
      [...book.latest.list()].flatMap((workload) => {
        const { running } = workload.spec;
        const { pods = [] } = runner.statusOf(keyOf(workload)) ?? workload.status ?? {};
        return running && isPulledThrough(running) ? podsWaiting(workload.metadata.namespace ?? "", pods) : [];
      }),
    subscribe: (fn) => book.subscribe(fn),
    count: (fingerprint) => [...(fingerprint === undefined ? book.latest.list() : book.of(fingerprint))].length,
    orphans: () => [...book.latest.list()].filter(isOrphan).map(orphanOf),
    async deleteOrphan(ref, signal) {
      const workload = book.latest.get(keyOf(ref));
      if (!workload || !isOrphan(workload)) return false;
      await deleteWorkload(client, workload, signal);
      return true;
    },
    async deleteAllOf(fingerprint, signal) {
      await book.latest.synced(signal);
      for (const workload of [...book.of(fingerprint).values()]) await deleteWorkload(client, workload, signal);
    },
    held: inbox.list,
    heldItem: inbox.get,
    decide: inbox.decide,
    claimNamespace: (tenant, signal) => namespaces.claim(tenant, signal),
    oldestPendingMs: () => Math.max(runner.oldestPendingMs(), statuses.oldestPendingMs(), namespaces.oldestPendingMs()),
    async close() {
      for (const end of unsubscribe) end();
      await intent.close();
      await leases.close();
      await runner.close();
      // After those that ask it, whose last answers it still settles.
      desk.close();
      record.close();
      await Promise.all([
        namespaces.close(),
        contents.close(),
        lines.close(),
        statuses.close(),
        book.latest.close(),
        ...[...rooms.values()].map((one) => one.close()),
      ]);
    },
  };
}

function podsWaiting(namespace: string, pods: readonly AppPod[]): string[] {
  return pods.flatMap(({ name = "", reason = "" }) =>
    /^(ErrImagePull|ImagePullBackOff)$/.test(reason) ? `${namespace}/${name}` : [],
  );
}

function isOrphan(workload: Workload): boolean {
  return workload.metadata.annotations?.[annotations.orphanedSince] !== undefined;
}

function orphanOf(workload: Workload): HeldOrphan {
  const { namespace = "", name = "" } = workload.metadata;
  const { peer = "", namespace: from = "", name: called = "" } = workload.spec.origin ?? {};
  const since = workload.metadata.annotations?.[annotations.orphanedSince] ?? "";
  return { workload: { namespace, name }, peer, origin: { namespace: from, name: called }, since };
}

function runningApp(
  workload: Workload,
  status: { phase?: string | undefined; message?: string | undefined } | undefined,
): RunningApp {
  // While a change of it is held or denied, what was admitted before is what answers.
  const { app, running = app } = workload.spec;
  const ports = (running?.ports ?? []).map((port) => {
    return { name: portName(port), number: port.containerPort ?? 0, appProtocol: port.appProtocol ?? "http" };
  });
  const { namespace = "", name = "" } = workload.metadata;
  const { phase = "Pending", message = "" } = status ?? {};
  return { namespace, name, selector: selectorOf(workload), ports, phase, message };
}
