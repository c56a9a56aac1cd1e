/** `WatchService`: the present state, then each change, as fast as the caller reads and no faster. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { InboxItem } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import { ObjectRefSchema } from "../../gen/fairlead/console/v1/object_pb.ts";
import {
  SyncedSchema,
  type WatchResponse,
  WatchResponseSchema,
  type WatchService,
} from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { refOf } from "../../kube/object.ts";
import type { Peer, RemoteApp } from "../../kube/resources.ts";
import { ShownInbox } from "./inbox-watch.ts";
import { toApp, toPeer } from "./object.ts";

export interface WatchServiceDeps {
  readonly peers: Changing<Peer>;
  readonly apps: Changing<RemoteApp>;
  readonly inbox: ChangingInbox;
}

/** What peers ask for, and news that something of it may have changed. */
export interface ChangingInbox {
  list(): readonly InboxItem[];
  subscribe(listener: () => void): () => void;
}

/** Objects of a kind, and what becomes of them. */
export interface Changing<T> {
  /** Calls the listener for each object, by "namespace/name", at once, and then after each change; undefined: it is gone. */
  subscribe(listener: (key: string, object: T | undefined) => void): () => void;
  synced(signal: AbortSignal): Promise<void>;
}

/** What to send of one object: built when its turn comes, so that it is the latest state. */
type Change = () => readonly WatchResponse["change"][];

export function createWatchService(deps: WatchServiceDeps): ServiceImpl<typeof WatchService> {
  return {
    async *watch({ peers, apps, namespace, inbox }, { signal }) {
      const changes = new LatestChanges();
      const ends: (() => void)[] = [];
      try {
        if (peers) {
          await deps.peers.synced(signal);
          ends.push(deps.peers.subscribe((key, peer) => changes.put(`peer ${key}`, () => [peerChange(key, peer)])));
        }
        if (apps) {
          await deps.apps.synced(signal);
          ends.push(
            deps.apps.subscribe((key, app) => {
              if (namespace === "" || refOf(key).namespace === namespace)
                changes.put(`app ${key}`, () => [appChange(key, app)]);
            }),
          );
        }
        if (inbox) {
          const shown = new ShownInbox();
          const look = (): void => changes.put("inbox", () => shown.update(deps.inbox.list()));
          ends.push(deps.inbox.subscribe(look));
          look();
        }
        changes.put("synced", () => [{ case: "synced", value: create(SyncedSchema) }]);
        for (;;) {
          for (const change of changes.take()) {
            for (const one of change()) yield create(WatchResponseSchema, { change: one });
          }
          await changes.some(signal);
        }
      } finally {
        for (const end of ends) end();
      }
    },
  };
}

function peerChange(key: string, peer: Peer | undefined): WatchResponse["change"] {
  return peer ? { case: "peer", value: toPeer(peer) } : { case: "peerGone", value: refOf(key).name };
}

function appChange(key: string, app: RemoteApp | undefined): WatchResponse["change"] {
  if (app) return { case: "app", value: toApp(app) };
  const { namespace = "", name } = refOf(key);
  return { case: "appGone", value: create(ObjectRefSchema, { namespace, name }) };
}

/** What waits to be sent: one change an object, the latest, in the order in which the objects first changed. */
class LatestChanges {
  readonly #waiting = new Map<string, Change>();
  #wake: (() => void) | undefined;

  put(key: string, change: Change): void {
    this.#waiting.set(key, change);
    this.#wake?.();
  }

  take(): Change[] {
    const taken = [...this.#waiting.values()];
    this.#waiting.clear();
    return taken;
  }

  /** Resolves when something waits; rejects with the signal's reason. */
  some(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size > 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      this.#wake = () => {
        this.#wake = undefined;
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
    });
  }
}
