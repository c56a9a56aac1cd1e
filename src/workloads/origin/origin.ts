/** The origin's half: RemoteApps of this cluster, carried out by peers and mirrored back. */
import { create, fromJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type ServiceImpl, type Transport } from "@connectrpc/connect";
import type { AuditEntry } from "../../audit/entry.ts";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import { IntentService, type LeaseService } from "../../gen/fairlead/peer/v1/intent_pb.ts";
import { type CheckResponse, WorkloadService } from "../../gen/fairlead/peer/v1/workload_pb.ts";
import { RemoteAppSpecSchema, type RemoteAppStatus } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { createIntentOrigin } from "../../intent/origin.ts";
import type { Orphan } from "../../intent/wish.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { EventRecorder } from "../../kube/event-recorder.ts";
import { keyOf } from "../../kube/object.ts";
import { createReflector } from "../../kube/reflector.ts";
import { type RemoteApp, remoteApps } from "../../kube/resources.ts";
import { createStatusWriter } from "../../kube/status-writer.ts";
import type { LinkStatus } from "../../peering/link-status.ts";
import type { Roster } from "../../peering/roster.ts";
import { createStreamRecord } from "../../peering/stream-record.ts";
import type { ContentHash } from "../content-hash.ts";
import { createLatest } from "../latest.ts";
import { createPassing, isOnTheWay } from "../passing.ts";
import { createAppBook } from "./app-book.ts";
import { checkTimeoutMs, createAsker } from "./asker.ts";
import { decide } from "./decide.ts";
import type { Decision, HostAnswer, NamedPeer, PeerView } from "./facts.ts";
import { createHistory } from "./history.ts";
import { annotations, finalizer, type Holding, holdingAnnotations, holdingOf, isHeld } from "./holding.ts";
import { createLeaseBook } from "./leases.ts";
import { watchLinks } from "./link-watch.ts";
import { createCheck, type ResolveImage } from "./pinned-check.ts";
import { createReleases, type Released } from "./releases.ts";
import { createSharedBook } from "./shared-book.ts";
import { doorNamesIn, type Found, namesIn, type SharedName } from "./shared-content.ts";
import { createWords } from "./wishes.ts";

export interface OriginDeps {
  client: KubeClient;
  roster: Pick<Roster, "get" | "list" | "subscribe" | "synced">;
  /** What peers say of themselves, and news of it; undefined of one that has never said anything. */
  facts: {
    get(peer: string): Readonly<Record<string, string>> | undefined;
    subscribe(fn: (peer: string) => void): () => void;
  };
  /** Writes down what hosts decide about our wishes. */
  audit: { record(entry: AuditEntry): unknown };
  /** RPC with a peer. */
  transport(peer: string): Transport;
  /** How the link to a peer is, and news of it. */
  links: { status(peer: string): LinkStatus; subscribe(fn: (peer: string, status: LinkStatus) => void): () => void };
  events: Pick<EventRecorder, "record">;
  /** Why it is not known what an image of the app stands for that comes through this agent. */
  imageTrouble?(key: string): { readonly reason: string; readonly message: string } | undefined;
  /** What an image stands for now that a peer would pull through this agent. */
  resolveImage?: ResolveImage;
  /** Where the app's page is shown at this agent's console, for its status; undefined for an app without one. */
  pageUrl?(app: RemoteApp): string | undefined;
  /** Names the content of a Secret or ConfigMap that goes with a wish, under a key of this agent's. */
  hashContent: ContentHash;
  /** The agent's own namespace, of which nothing goes to a peer. */
  namespace: string;
  clock: Clock;
  log: Log;
}

/** An app that a peer runs for us and that no RemoteApp here stands for. */
export interface OrphanAtPeer extends Orphan {
  readonly peer: string;
}

export interface WorkloadOrigin {
  /** Answers hosts that ask what they may go on with. */
  readonly leases: ServiceImpl<typeof LeaseService>;
  /** The RemoteApps of this cluster as they are now, by "namespace/name". */
  get(key: string): RemoteApp | undefined;
  list(): RemoteApp[];
  /** Calls the listener for each RemoteApp, at once, and then after each change. */
  subscribe(listener: (key: string, app: RemoteApp | undefined) => void): () => void;
  /** Resolves when all RemoteApps are known. */
  synced(signal: AbortSignal): Promise<void>;
  /** The peers that hold the app, or are to. */
  peersOf(app: RemoteApp): readonly string[];
  /**
   * Ends at a peer what may run elsewhere, before the peer is removed: resolves when all of it has ended, and after a bounded time when
   * it has not, or at once without a link. Until `done` the peer gets nothing new.
   */
  release(peer: string, signal: AbortSignal): Promise<Released>;
  /** Something that the status tells of has changed beside the app. */
  reconsider(key: string): void;
  /** What connected peers run for us and we do not know. */
  orphans(): OrphanAtPeer[];
  /** Calls the listener after each change of what those are. */
  subscribeToOrphans(listener: () => void): () => void;
  /** Makes a RemoteApp that takes over an orphan with what it runs. Throws a ConnectError when there is none, a KubeError when the name is taken. */
  adopt(peer: string, uid: string, signal: AbortSignal): Promise<RemoteApp>;
  /** Has the peer delete an orphan. Throws a ConnectError. */
  deleteOrphan(peer: string, uid: string, signal: AbortSignal): Promise<void>;
  /**
   * Whether the peer would run an app with this spec (JSON text), with the images that tags stand for now. With the UID of the RemoteApp that it would be the spec of,
   * the app is not counted beside itself. Throws a ConnectError.
   */
  check(peer: string, spec: string, uid: string | undefined, signal: AbortSignal): Promise<CheckResponse>;
  /** A Secret or ConfigMap that an app's door refers to. */
  findShared(name: SharedName): Found;
  /** Age of the oldest unfinished work, in milliseconds; for health. */
  oldestPendingMs(): number;
  close(): Promise<void>;
}

/** For how long wishes wait for what they refer to when a link comes up, so that what is equal is not sent again; milliseconds. */
const patienceMs = 5_000;

export function createOrigin(deps: OriginDeps): WorkloadOrigin {
  const { client, roster, clock, log } = deps;
  const latest = createLatest(createReflector({ client, kind: remoteApps, clock, log }));
  const statuses = createStatusWriter({ client, kind: remoteApps, clock, log });
  const shared = createSharedBook({ client, onChange: (key) => worker.add(key), clock, log });
  const wordOf = createWords({
    find: shared.find,
    hashContent: deps.hashContent,
    agentNamespace: deps.namespace,
    imageTrouble: (key) => deps.imageTrouble?.(key),
  });
  const book = createAppBook({
    latest,
    wordOf,
    clock,
    onHeard: (key) => worker.add(key),
    maySay: (app) => history.isSettled(app),
  });
  const worker = createKeyedWorker({ run, clock, concurrency: 8, onError });
  const history = createHistory({
    client,
    apps: latest,
    onSettled: (key) => worker.add(key),
    events: deps.events,
    clock,
    log,
  });
  /** By peer, why wishes do not reach it although it is connected. */
  const troubles = new Map<string, string>();
  /** By UID, the status that was told last; the API server may not have it yet. */
  const told = new Map<string, RemoteAppStatus>();
  const passing = createPassing({ clock });
  /** By UID: a write of who holds it failed, and nobody knows whether it was carried out. */
  const doubts = new Set<string>();
  const leases = createLeaseBook({ clock, runnable: book.runnable });
  const asker = createAsker({ check: askPeer, onAnswers: (key) => worker.add(key), clock });
  const releases = createReleases({
    latest,
    isConnected: (peer) => viewOf(peer).connected,
    reconsider: (key) => worker.add(key),
    clock,
  });
  // A host decides how often it answers, and must not fill the record by that.
  const answers = createStreamRecord(deps);
  const intent = createIntentOrigin({
    kind: "workload",
    links: watchLinks({ roster, links: deps.links, ready: wishesKnown }),
    sync: (peer, requests, signal) => createClient(IntentService, deps.transport(peer)).sync(requests, { signal }),
    book: book.wishesAt,
    news: book.newsFrom,
    onTrouble,
    clock,
    log,
  });

  async function wishesKnown(signal: AbortSignal): Promise<void> {
    await latest.synced(signal);
    const enough = new AbortController();
    const either = AbortSignal.any([signal, enough.signal]);
    // Where something cannot be read, all that needs none of it goes on.
    await Promise.race([shared.settled(either), clock.sleep(patienceMs, either)]).finally(() => enough.abort());
  }

  async function run(key: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    // Before the roster is known, every peer would look unknown.
    await roster.synced(signal);
    const app = await certain(key, signal);
    if (!app) return;
    const { uid = "" } = app.metadata;
    const before = told.get(uid) ?? app.status;
    const word = wordOf(app);
    const { wish } = word;
    const heard = book.heard(app);
    for (const one of heard) if ((one.refused ?? one.state)?.hash === wish?.hash) asker.note(uid, one);
    const decision = decide({
      app,
      before,
      heard,
      word,
      peer: viewOf,
      peers: namedPeers,
      would: (peer) => asker.would(uid, wish?.hash ?? "", peer),
      endsInMs: (peer) => leases.endsInMs(app, peer),
      now: clock.now(),
    });
    book.setLeaving(app, decision.leaving);
    if (decision.hold !== undefined) {
      happened(app, decision);
      await hold(app, decision.hold, signal);
      return;
    }
    tellPeers(app);
    if (wish) asker.ask({ key, uid, hash: wish.hash, spec: wish.spec }, decision.ask);
    const waitMs = decision.status ? passing.waitMs(uid, isOnTheWay(decision.status)) : 0;
    if (waitMs > 0) return { againMs: Math.min(waitMs, decision.againMs ?? waitMs) };
    happened(app, decision);
    if (!decision.status) return;
    for (const answer of decision.answers) recordAnswer(app, answer);
    const url = deps.pageUrl?.(app);
    if (url !== undefined) decision.status.url = url;
    const revision = history.numberOf(app);
    if (revision !== undefined) decision.status.revision = revision;
    if (decision.happenings.length > 0) logChange(key, decision.status);
    told.set(uid, decision.status);
    statuses.write({ metadata: app.metadata, status: decision.status });
    return decision.againMs === undefined ? undefined : { againMs: decision.againMs };
  }

  function happened(app: RemoteApp, { happenings }: Decision): void {
    for (const happening of happenings) deps.events.record(app, { ...happening, action: "Mirror" });
  }

  /** The app as it is; read again when a write of who holds it may have been carried out or not. */
  async function certain(key: string, signal: AbortSignal): Promise<RemoteApp | undefined> {
    const app = latest.get(key);
    const { uid = "", namespace, name = "" } = app?.metadata ?? {};
    if (!doubts.has(uid)) return app;
    const live = await client.get(remoteApps, { namespace, name }, signal);
    if (live?.metadata.uid === uid) latest.put(live);
    doubts.delete(uid);
    leases.settled(uid);
    return latest.get(key);
  }

  /** Writes who may have something of the app before the first wish goes there, in one step with the finalizer. */
  async function hold(app: RemoteApp, holding: Holding, signal: AbortSignal): Promise<void> {
    const { namespace, name = "", uid = "", resourceVersion = "", finalizers = [] } = app.metadata;
    const others = finalizers.filter((other) => other !== finalizer);
    const metadata = {
      // Somebody else's finalizer that came meanwhile must not be lost, and no version but the one that was judged is written on.
      resourceVersion,
      finalizers: isHeld(holding) ? [...others, finalizer] : others,
      annotations: holdingAnnotations(holding),
    };
    leases.writing(uid);
    doubts.add(uid);
    const held = await client.mergePatch(remoteApps, { namespace, name }, { metadata }, signal);
    doubts.delete(uid);
    const before = holdingOf(app);
    const now = holdingOf(held);
    for (const peer of Object.keys(now.leases)) if (before.leases[peer] === undefined) leases.begins(uid, peer);
    // Whoever is new or gone starts from nothing that was heard before.
    const changed = [...before.peers, ...before.ended, ...now.peers].filter(
      (peer) =>
        before.peers.includes(peer) !== now.peers.includes(peer) ||
        (!now.peers.includes(peer) && !now.ended.includes(peer)),
    );
    book.forgetHeard(app, changed);
    latest.put(held);
    leases.settled(uid);
    for (const peer of changed) intent.changed(peer, uid);
  }

  function tellPeers(app: RemoteApp): void {
    const { peers, ended } = holdingOf(app);
    for (const peer of [...peers, ...ended]) intent.changed(peer, app.metadata.uid ?? "");
  }

  function namedPeers(): NamedPeer[] {
    const staying = roster.list().filter(({ name }) => !releases.isReleasing(name));
    return staying.map(({ name, labels }) => ({ name, labels, facts: deps.facts.get(name) }));
  }

  function askPeer(peer: string, spec: string, signal: AbortSignal): Promise<CheckResponse> {
    return createClient(WorkloadService, deps.transport(peer)).check(
      { spec, uid: "" },
      { signal, timeoutMs: checkTimeoutMs },
    );
  }

  function viewOf(name: string): PeerView {
    const known = roster.get(name) !== undefined;
    if (!known) return { known, connected: false, since: 0 };
    const { state, since } = deps.links.status(name);
    return { known, connected: state === "connected", since, trouble: troubles.get(name) };
  }

  function recordAnswer(app: RemoteApp, { peer, verdict, rule, message }: HostAnswer): void {
    const { uid = "", generation = 0 } = app.metadata;
    const fingerprint = roster.get(peer)?.fingerprint;
    answers.note(peer, {
      action: "app.answer",
      actor: { peer, fingerprint },
      target: keyOf(app),
      verdict: ({ Admitted: "allowed", Held: "held", Denied: "denied" } as const)[verdict],
      correlation: `wish:${uid}/${generation}`,
      rule,
      message,
    });
  }

  function logChange(key: string, { peer, phase, reason, message }: RemoteAppStatus): void {
    log.info({ app: key, peer, phase, reason, detail: message }, "a remote app changed");
  }

  function onError(key: string, error: unknown, attempt: number): void {
    log.warn({ app: key, err: error, attempt }, "a remote app could not be brought forward; it is tried again");
  }

  function onTrouble(peer: string, error: unknown): void {
    const before = troubles.get(peer);
    const text = error === undefined ? undefined : errorText(error);
    if (text === undefined) troubles.delete(peer);
    else troubles.set(peer, text);
    if (before !== text) wake(peer);
  }

  function wake(peer: string): void {
    for (const app of latest.list()) {
      const { peers, ended } = holdingOf(app);
      const isConcerned = app.spec.placement !== undefined || app.spec.peer === peer;
      if (isConcerned || peers.includes(peer) || ended.includes(peer)) worker.add(keyOf(app));
    }
  }

  const unsubscribe = [
    latest.subscribe((key, app, before) => {
      shared.want(key, app && !app.metadata.deletionTimestamp ? [...namesIn(app), ...doorNamesIn(app)] : []);
      if (app) {
        worker.add(key);
        return;
      }
      statuses.forget(key);
      const { uid = "" } = before?.metadata ?? {};
      told.delete(uid);
      passing.forget(uid);
      doubts.delete(uid);
      leases.forget(uid);
      asker.forget(uid);
      // Someone took the finalizer away: the peers hear that nobody here knows the app any more.
      if (before) tellPeers(before);
    }),
    roster.subscribe(({ name, after }) => {
      if (!after) book.forgetPeer(name);
      wake(name);
    }),
    deps.links.subscribe((peer) => wake(peer)),
    deps.facts.subscribe((peer) => wake(peer)),
  ];

  return {
    leases: leases.service,
    get: (key) => latest.get(key),
    list: () => [...latest.list()],
    subscribe: (listener) => latest.subscribe(listener),
    synced: (signal) => latest.synced(signal),
    peersOf(app) {
      const { peers } = holdingOf(app);
      return peers.length === 0 && app.spec.peer !== undefined ? [app.spec.peer] : peers;
    },
    findShared: shared.find,
    release: releases.release,
    reconsider: (key) => worker.add(key),
    orphans: book.orphans,
    subscribeToOrphans: book.subscribeToOrphans,
    async adopt(peer, uid, signal) {
      const orphan = book.orphans().find((one) => one.peer === peer && one.uid === uid);
      if (!orphan) {
        const message = `${peer} names no orphan with the UID ${uid}; see: fairlead orphan list --at-peers`;
        throw new ConnectError(message, Code.NotFound);
      }
      const spec = create(RemoteAppSpecSchema, { ...fromJsonString(RemoteAppSpecSchema, orphan.spec), peer });
      const { namespace, name } = orphan;
      const metadata = { namespace, name, annotations: { [annotations.adopts]: uid } };
      return client.create(remoteApps, { metadata, spec }, signal);
    },
    async deleteOrphan(peer, uid, signal) {
      await createClient(WorkloadService, deps.transport(peer)).deleteOrphan({ uid }, { signal });
    },
    check: createCheck({ ...deps, find: (uid) => [...latest.list()].find(({ metadata }) => metadata.uid === uid) }),
    oldestPendingMs: () => Math.max(worker.oldestPendingMs(), statuses.oldestPendingMs()),
    async close() {
      for (const end of unsubscribe) end();
      await intent.close();
      await history.close();
      await worker.close();
      await asker.close();
      answers.close();
      await shared.close();
      await Promise.all([statuses.close(), latest.close()]);
    },
  };
}
