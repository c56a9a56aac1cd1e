/**
 * Keeps the history of each RemoteApp: its spec is written down before a peer hears of it. What the API server refuses for good, as
 * without the right to, is said once and keeps no app from running; what may pass by itself is tried again, and holds a change up for
 * ten seconds at most.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { isAlreadyExists, isConflict, isNotFound, KubeError } from "../../kube/errors.ts";
import type { EventRecorder } from "../../kube/event-recorder.ts";
import { refOf } from "../../kube/object.ts";
import { createReflector } from "../../kube/reflector.ts";
import { controllerRevisions, type RemoteApp } from "../../kube/resources.ts";
import { createLatest, type Latest } from "../latest.ts";
import {
  appLabel,
  hashOf,
  planRevision,
  presentOf,
  type RevisionHead,
  revisionHeads,
  specHash,
  surplusOf,
  uidOf,
} from "./revision.ts";

export interface History {
  /** Whether the spec may go to a peer: it stands in the history, or cannot. */
  isSettled(app: RemoteApp): boolean;
  /** The number of the app's spec in its history; undefined while it is not there. */
  numberOf(app: RemoteApp): number | undefined;
  close(): Promise<void>;
}

export interface HistoryDeps {
  client: Pick<KubeClient, "list" | "watch" | "create" | "mergePatch" | "delete">;
  apps: Pick<Latest<RemoteApp>, "get" | "list" | "subscribe">;
  /** Called with the key of an app of which more is known: whether it is settled, or its number. */
  onSettled(key: string): void;
  events: Pick<EventRecorder, "record">;
  clock: Clock;
  log: Log;
}

/** How long a spec waits for its place in the history, in milliseconds. */
const patienceMs = 10_000;

export function createHistory(deps: HistoryDeps): History {
  const { client, apps, clock, log } = deps;
  const reflector = createReflector({ client, kind: revisionHeads, labelSelector: appLabel, clock, log });
  const heads = createLatest(reflector);
  /** By UID of the app, then by the revision's own key. */
  const byApp = new Map<string, Map<string, RevisionHead>>();
  const keys = new Map<string, string>();
  /** By UID of the app, the spec that the API server would not take, or not in time. */
  const passed = new Map<string, string>();
  const failing = new Map<string, { readonly hash: string; readonly patience: Timer }>();
  /** By UID of the app, what was last told of it. */
  const told = new Map<string, string>();
  const closing = new AbortController();
  /** The earlier specs cannot be read now: nothing is written, and nothing waits. */
  let isBlind = false;
  const worker = createKeyedWorker({ run, clock, onError });

  const headsOf = (uid: string): RevisionHead[] => [...(byApp.get(uid)?.values() ?? [])];

  async function run(key: string, signal: AbortSignal): Promise<void> {
    const app = apps.get(key);
    if (!app || !heads.isSynced || isBeyond(app)) return;
    const { uid = "" } = app.metadata;
    const hash = specHash(app);
    if (passed.get(uid) === hash && !failing.has(uid)) return;
    try {
      await write(app, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (mayPass(error)) throw error;
      giveUp(key, app, error);
      return;
    }
    forgive(uid);
    passed.delete(uid);
    const news = `${numberOf(app)} ${hash}`;
    if (told.get(uid) !== news) deps.onSettled(key);
    told.set(uid, news);
    await trim(app, signal);
  }

  async function write(app: RemoteApp, signal: AbortSignal): Promise<void> {
    const plan = planRevision(app, headsOf(app.metadata.uid ?? ""));
    if (plan?.kind === "patch") {
      heads.put(await client.mergePatch(revisionHeads, refOf(plan.head), plan.patch, signal));
    }
    if (plan?.kind !== "create") return;
    try {
      const { metadata, revision } = await client.create(controllerRevisions, plan.draft, signal);
      heads.put({ metadata, revision });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      await takeExisting(app, plan.draft.metadata.name ?? "", signal);
    }
  }

  /** An earlier start of this agent wrote it, and the list does not have it yet. */
  async function takeExisting(app: RemoteApp, name: string, signal: AbortSignal): Promise<void> {
    const { namespace, uid } = app.metadata;
    const mine = await client.list(revisionHeads, { namespace, labelSelector: `${appLabel}=${uid}` }, signal);
    const found = mine.items.find(({ metadata }) => metadata.name === name);
    if (found && hashOf(found) === specHash(app)) heads.put(found);
    else throw new KubeError({ status: 409, reason: "AlreadyExists", message: `${name} is somebody else's` });
  }

  async function trim(app: RemoteApp, signal: AbortSignal): Promise<void> {
    for (const head of surplusOf(app, headsOf(app.metadata.uid ?? ""))) {
      const { uid } = head.metadata;
      try {
        await client.delete(controllerRevisions, refOf(head), { uid }, signal);
      } catch (error) {
        if (!(error instanceof KubeError) || error.status !== 403) throw error;
        log.warn({ err: error }, "an earlier spec is one too many and cannot be deleted");
        return;
      }
    }
  }

  function giveUp(key: string, app: RemoteApp, error: unknown): void {
    const { uid = "" } = app.metadata;
    forgive(uid);
    pass(key, app, error);
  }

  function pass(key: string, app: RemoteApp, error: unknown): void {
    const { uid = "" } = app.metadata;
    passed.set(uid, specHash(app));
    told.delete(uid);
    log.warn({ app: key, err: error }, "a spec has no place in the history");
    const note = `This spec is not in the history, so there is no rollback to it: ${errorText(error)}`;
    deps.events.record(app, { type: "Warning", reason: "HistoryNotKept", note, action: "Record" });
    deps.onSettled(key);
  }

  function forgive(uid: string): void {
    failing.get(uid)?.patience.cancel();
    failing.delete(uid);
  }

  function onError(key: string, error: unknown, attempt: number): void {
    log.warn({ app: key, err: error, attempt }, "the history could not be written; it is tried again");
    const app = apps.get(key);
    if (!app) return;
    const { uid = "" } = app.metadata;
    const hash = specHash(app);
    if (failing.get(uid)?.hash === hash) return;
    forgive(uid);
    failing.set(uid, { hash, patience: clock.after(patienceMs, () => pass(key, app, error)) });
  }

  /** Without the list of what there is nothing can be written; that must not keep apps from running. */
  async function begin(): Promise<void> {
    const known = new AbortController();
    const synced = heads.synced(closing.signal).finally(() => known.abort());
    synced.catch(() => undefined); // Awaited below.
    await lookOut(AbortSignal.any([closing.signal, known.signal]));
    if (!known.signal.aborted) {
      isBlind = true;
      log.warn({ err: reflector.lastError }, "the history of apps cannot be read, so that no rollback is possible now");
      for (const app of apps.list()) deps.onSettled(keyOfApp(app));
    }
    await synced;
    isBlind = false;
    for (const app of apps.list()) worker.add(keyOfApp(app));
  }

  /** Returns when the list is known, is refused, or takes too long. */
  async function lookOut(signal: AbortSignal): Promise<void> {
    const until = clock.monotonic() + patienceMs;
    while (!signal.aborted && clock.monotonic() < until && !isRefused(reflector.lastError)) {
      await clock.sleep(200, signal).catch(() => undefined);
    }
  }

  const keyOfApp = (app: RemoteApp): string => keys.get(app.metadata.uid ?? "") ?? "";

  const unsubscribe = [
    heads.subscribe((key, head, before) => {
      if (before) byApp.get(uidOf(before))?.delete(key);
      if (before && byApp.get(uidOf(before))?.size === 0) byApp.delete(uidOf(before));
      if (head) {
        const mine = byApp.get(uidOf(head)) ?? new Map<string, RevisionHead>();
        byApp.set(uidOf(head), mine.set(key, head));
      }
      const app = keys.get(uidOf(head ?? before ?? noHead));
      if (app !== undefined && heads.isSynced) worker.add(app);
    }),
    apps.subscribe((key, app, before) => {
      const [uid, old] = [app?.metadata.uid, before?.metadata.uid];
      if (old !== undefined && old !== uid) {
        forgive(old);
        for (const known of [keys, passed, told]) known.delete(old);
      }
      if (app && uid !== undefined) {
        keys.set(uid, key);
        worker.add(key);
      }
    }),
  ];
  begin().catch((error: unknown) => {
    if (!closing.signal.aborted) log.error({ err: error }, "the history of apps does not begin");
  });

  function numberOf(app: RemoteApp): number | undefined {
    return presentOf(app, headsOf(app.metadata.uid ?? ""))?.revision;
  }

  return {
    isSettled(app) {
      if (isBlind || isBeyond(app)) return true;
      if (!heads.isSynced) return false;
      const { uid = "" } = app.metadata;
      return passed.get(uid) === specHash(app) || isLatest(app, headsOf(uid));
    },
    numberOf,
    async close() {
      closing.abort(new Error("The history is closing."));
      for (const end of unsubscribe) end();
      for (const { patience } of failing.values()) patience.cancel();
      await worker.close();
      await heads.close();
    },
  };
}

const noHead: RevisionHead = { metadata: {}, revision: 0 };

/** Whether its spec is none of ours to write down: it ends, or says what this agent does not understand. */
function isBeyond(app: RemoteApp): boolean {
  return app.metadata.deletionTimestamp !== undefined || Boolean(app.problems?.length);
}

function isLatest(app: RemoteApp, heads: readonly RevisionHead[]): boolean {
  const present = presentOf(app, heads);
  return present !== undefined && heads.every(({ revision }) => revision <= present.revision);
}

/** Whether the same may go well later, without anybody's doing or on what is there by then. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof KubeError)) return true;
  return error.retryable() || isConflict(error) || (isNotFound(error) && !isMissingKind(error));
}

function isMissingKind(error: KubeError): boolean {
  return /could not find the requested resource|namespaces? .* not found/.test(error.message);
}

function isRefused(error: Error | undefined): boolean {
  return error instanceof KubeError && error.status >= 400 && !error.retryable();
}
