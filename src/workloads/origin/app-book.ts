/** What is wished at each peer and what was heard about it: the RemoteApps, and the hosts' words of this process' life. */
import type { Clock } from "../../base/clock.ts";
import type { HostNews, WishBook } from "../../intent/origin-session.ts";
import type { Orphan, Wish } from "../../intent/wish.ts";
import { keyOf } from "../../kube/object.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import type { Latest } from "../latest.ts";
import type { Heard } from "./facts.ts";
import { holdingOf, isLeftRunning } from "./holding.ts";
import { readHostStatus } from "./host-status.ts";
import type { WordOf } from "./wishes.ts";

export interface AppBook {
  wishesAt(peer: string): WishBook;
  newsFrom(peer: string): HostNews;
  /** What was heard about the app from the peers that hold it. */
  heard(app: RemoteApp): readonly Heard[];
  /** What these peers said of the app is over: they do not hold it any more, or anew. */
  forgetHeard(app: RemoteApp, peers: readonly string[]): void;
  /** The holders that are to end the app, as it was decided last. True when that is news. */
  setLeaving(app: RemoteApp, peers: readonly string[]): boolean;
  /** Those of these objects that the peer may run. */
  runnable(peer: string, uids: readonly string[]): string[];
  /** All that the peers said they run for us and we do not know. */
  orphans(): (Orphan & { peer: string })[];
  /** Calls the listener after each change of what those are. */
  subscribeToOrphans(listener: () => void): () => void;
  /** It is no peer any more, and nothing that it runs is our affair. */
  forgetPeer(peer: string): void;
}

/** `onHeard` is called with the key of an app about which something was heard. */
export function createAppBook(deps: {
  latest: Latest<RemoteApp>;
  wordOf: WordOf;
  clock: Clock;
  onHeard(key: string): void;
  /** Whether the present spec may be said; one that is not written down yet waits. */
  maySay(app: RemoteApp): boolean;
}): AppBook {
  const { latest, wordOf, clock } = deps;
  const keys = new Map<string, string>();
  /** By UID and peer. */
  const heard = new Map<string, Map<string, Heard>>();
  const leaving = new Map<string, readonly string[]>();
  const orphans = new Map<string, readonly Orphan[]>();
  const orphanListeners = new Set<() => void>();

  latest.subscribe((key, app, before) => {
    const [uid, old] = [app?.metadata.uid, before?.metadata.uid];
    if (old !== undefined && old !== uid) {
      keys.delete(old);
      heard.delete(old);
      leaving.delete(old);
    }
    if (uid !== undefined) keys.set(uid, key);
  });

  /** The app with this UID, if this peer holds it: no peer has a word about what is another's. */
  function appAt(peer: string, uid: string): RemoteApp | undefined {
    const app = latest.get(keys.get(uid) ?? "");
    if (!app || app.metadata.uid !== uid) return undefined;
    const { peers, ended } = holdingOf(app);
    return peers.includes(peer) || ended.includes(peer) ? app : undefined;
  }

  function isLeaving(app: RemoteApp, peer: string): boolean {
    const { uid = "", deletionTimestamp } = app.metadata;
    if (isLeftRunning(app)) return false;
    if (deletionTimestamp !== undefined || holdingOf(app).ended.includes(peer)) return true;
    return leaving.get(uid)?.includes(peer) ?? (app.spec.peer !== undefined && app.spec.peer !== peer);
  }

  /** What the peer hears of it now; nothing before it is written down for how long it goes on without us. */
  function wishFor(app: RemoteApp, peer: string): Wish | undefined {
    const { wish } = wordOf(app);
    const bound = holdingOf(app).leases[peer] ?? Number.POSITIVE_INFINITY;
    return wish && (wish.leaseSeconds ?? Number.POSITIVE_INFINITY) <= bound ? wish : undefined;
  }

  function hear(peer: string, uid: string, news: Omit<Heard, "peer">): void {
    const app = appAt(peer, uid);
    if (!app) return;
    const all = heard.get(uid) ?? new Map<string, Heard>();
    heard.set(uid, all.set(peer, { ...all.get(peer), peer, ...news }));
    deps.onHeard(keyOf(app));
  }

  function tellOfOrphans(): void {
    for (const listener of [...orphanListeners]) listener();
  }

  /** What is wished anew is not gone, whatever was heard before. */
  function speak(uid: string, peer: string, wish: Wish | undefined): Wish | "unspoken" {
    if (!wish) return "unspoken";
    const known = heard.get(uid)?.get(peer);
    if (known?.gone) heard.get(uid)?.set(peer, { ...known, gone: false });
    return wish;
  }

  return {
    wishesAt: (peer) => ({
      *heads() {
        for (const app of latest.list()) {
          const { uid = "", generation = 0 } = app.metadata;
          if (!appAt(peer, uid)) continue;
          yield { uid, generation, hash: wishFor(app, peer)?.hash ?? "", deleted: isLeaving(app, peer) };
        }
      },
      word(uid) {
        const app = appAt(peer, uid);
        if (!app) return undefined;
        if (isLeftRunning(app)) return "unspoken";
        if (isLeaving(app, peer)) return "deleted";
        return speak(uid, peer, deps.maySay(app) ? wishFor(app, peer) : undefined);
      },
    }),
    newsFrom: (peer) => ({
      state({ uid, generation, hash, status }) {
        const all = heard.get(uid);
        const { refused } = all?.get(peer) ?? {};
        const state = { generation, hash, status: readHostStatus(status), at: clock.now() };
        // A refusal answers one wish; the same wish carried out answers it better.
        const stands = refused && refused.hash !== hash;
        all?.delete(peer);
        hear(peer, uid, stands ? { state, refused } : { state });
      },
      refused: ({ uid, hash, refusal }) => hear(peer, uid, { refused: { hash, refusal } }),
      gone: (uid) => hear(peer, uid, { gone: true }),
      orphans(all) {
        orphans.set(peer, all);
        tellOfOrphans();
      },
    }),
    heard: (app) => [...(heard.get(app.metadata.uid ?? "")?.values() ?? [])],
    forgetHeard(app, peers) {
      for (const peer of peers) heard.get(app.metadata.uid ?? "")?.delete(peer);
    },
    setLeaving(app, peers) {
      const { uid = "" } = app.metadata;
      const before = leaving.get(uid);
      leaving.set(uid, peers);
      return before?.join() !== peers.join();
    },
    runnable: (peer, uids) =>
      uids.filter((uid) => {
        const app = appAt(peer, uid);
        return app !== undefined && !isLeaving(app, peer);
      }),
    forgetPeer(peer) {
      if (orphans.delete(peer)) tellOfOrphans();
    },
    orphans: () => [...orphans].flatMap(([peer, all]) => all.map((orphan) => ({ ...orphan, peer }))),
    subscribeToOrphans(listener) {
      orphanListeners.add(listener);
      return () => void orphanListeners.delete(listener);
    },
  };
}
