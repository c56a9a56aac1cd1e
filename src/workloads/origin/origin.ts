/** The origin's half: RemoteApps of this cluster, carried out by peers and mirrored back. */
import { create, fromJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import type { AuditEntry } from "../../audit/entry.ts";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import { IntentService } from "../../gen/fairlead/peer/v1/intent_pb.ts";
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
import { createAppBook } from "./app-book.ts";
import { decide } from "./decide.ts";
import type { HostAnswer, PeerView } from "./facts.ts";
import { watchLinks } from "./link-watch.ts";
import { createSharedBook } from "./shared-book.ts";
import { namesIn } from "./shared-content.ts";
import { annotations, createWords, finalizer, heldBy } from "./wishes.ts";

export interface OriginDeps {
  client: KubeClient;
  roster: Pick<Roster, "get" | "subscribe" | "synced">;
  /** Writes down what hosts decide about our wishes. */
  audit: { record(entry: AuditEntry): unknown };
  /** RPC with a peer. */
  transport(peer: string): Transport;
  /** How the link to a peer is, and news of it. */
  links: { status(peer: string): LinkStatus; subscribe(fn: (peer: string, status: LinkStatus) => void): () => void };
  events: Pick<EventRecorder, "record">;
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
  /** The RemoteApps of this cluster as they are now, by "namespace/name". */
  get(key: string): RemoteApp | undefined;
  list(): RemoteApp[];
  /** Calls the listener for each RemoteApp, at once, and then after each change. */
  subscribe(listener: (key: string, app: RemoteApp | undefined) => void): () => void;
  /** Resolves when all RemoteApps are known. */
  synced(signal: AbortSignal): Promise<void>;
  /** What connected peers run for us and we do not know. */
  orphans(): OrphanAtPeer[];
  /**
   * Makes a RemoteApp that takes over an orphan with what it runs. Throws a ConnectError when there is no such orphan, a
   * KubeError when there is a RemoteApp by its name.
   */
  adopt(peer: string, uid: string, signal: AbortSignal): Promise<RemoteApp>;
  /** Has the peer delete an orphan. Throws a ConnectError. */
  deleteOrphan(peer: string, uid: string, signal: AbortSignal): Promise<void>;
  /**
   * Whether the peer would run an app with this spec (JSON text). With the UID of the RemoteApp that it would be the spec of,
   * the app is not counted beside itself. Throws a ConnectError.
   */
  check(peer: string, spec: string, uid: string | undefined, signal: AbortSignal): Promise<CheckResponse>;
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
  const wordOf = createWords({ find: shared.find, hashContent: deps.hashContent, agentNamespace: deps.namespace });
  const book = createAppBook({ latest, wordOf, clock, onHeard: (key) => worker.add(key) });
  const worker = createKeyedWorker({ run, clock, concurrency: 8, onError });
  /** By peer, why wishes do not reach it although it is connected. */
  const troubles = new Map<string, string>();
  /** By UID, the status that was decided last; the API server may not have it yet. */
  const decided = new Map<string, RemoteAppStatus>();
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
    const app = latest.get(key);
    if (!app) return;
    const before = decided.get(app.metadata.uid ?? "") ?? app.status;
    const decision = decide({
      app,
      before,
      heard: book.heard(app),
      word: wordOf(app),
      peer: viewOf,
      now: clock.now(),
    });
    for (const happening of decision.happenings) deps.events.record(app, { ...happening, action: "Mirror" });
    if (decision.hold !== undefined) {
      const held = await hold(app, decision.hold, signal);
      book.forgetHeard(app);
      latest.put(held);
      return;
    }
    tellPeer(app);
    if (!decision.status) return;
    if (decision.answer) recordAnswer(app, decision.answer);
    const url = deps.pageUrl?.(app);
    if (url !== undefined) decision.status.url = url;
    if (decision.happenings.length > 0) logChange(key, app, decision.status);
    decided.set(app.metadata.uid ?? "", decision.status);
    statuses.write({ metadata: app.metadata, status: decision.status });
    return decision.againMs === undefined ? undefined : { againMs: decision.againMs };
  }

  /** Writes who holds the app before the first wish goes there, in one step with the finalizer. */
  function hold(app: RemoteApp, peer: string | null, signal: AbortSignal): Promise<RemoteApp> {
    const { namespace, name = "", resourceVersion = "", finalizers = [] } = app.metadata;
    const others = finalizers.filter((other) => other !== finalizer);
    const metadata = {
      // Somebody else's finalizer that came meanwhile must not be lost.
      resourceVersion,
      finalizers: peer === null ? others : [...others, finalizer],
      annotations: { [annotations.heldBy]: peer },
    };
    return client.mergePatch(remoteApps, { namespace, name }, { metadata }, signal);
  }

  function tellPeer(app: RemoteApp): void {
    const holder = heldBy(app);
    if (holder !== undefined) intent.changed(holder, app.metadata.uid ?? "");
  }

  function viewOf(name: string): PeerView {
    const known = roster.get(name) !== undefined;
    if (!known) return { known, connected: false, since: 0 };
    const { state, since } = deps.links.status(name);
    return { known, connected: state === "connected", since, trouble: troubles.get(name) };
  }

  function recordAnswer(app: RemoteApp, { verdict, rule, message }: HostAnswer): void {
    const { uid = "", generation = 0 } = app.metadata;
    const peer = heldBy(app) ?? app.spec.peer ?? "";
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

  function logChange(key: string, app: RemoteApp, { phase, reason, message }: RemoteAppStatus): void {
    log.info({ app: key, peer: app.spec.peer, phase, reason, detail: message }, "a remote app changed");
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
      if (app.spec.peer === peer || heldBy(app) === peer) worker.add(keyOf(app));
    }
  }

  const unsubscribe = [
    latest.subscribe((key, app, before) => {
      shared.want(key, app && !app.metadata.deletionTimestamp ? namesIn(app) : []);
      if (app) {
        worker.add(key);
        return;
      }
      statuses.forget(key);
      decided.delete(before?.metadata.uid ?? "");
      // Someone took the finalizer away: the peer hears that nobody here knows the app any more.
      if (before) tellPeer(before);
    }),
    roster.subscribe(({ name, after }) => {
      if (!after) book.forgetPeer(name);
      wake(name);
    }),
    deps.links.subscribe((peer) => wake(peer)),
  ];

  return {
    get: (key) => latest.get(key),
    list: () => [...latest.list()],
    subscribe: (listener) => latest.subscribe(listener),
    synced: (signal) => latest.synced(signal),
    orphans: book.orphans,
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
    check: (peer, spec, uid = "", signal) =>
      createClient(WorkloadService, deps.transport(peer)).check({ spec, uid }, { signal }),
    oldestPendingMs: () => Math.max(worker.oldestPendingMs(), statuses.oldestPendingMs()),
    async close() {
      for (const end of unsubscribe) end();
      await intent.close();
      await worker.close();
      answers.close();
      await shared.close();
      await Promise.all([statuses.close(), latest.close()]);
    },
  };
}
