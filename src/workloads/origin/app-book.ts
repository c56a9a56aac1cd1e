/** What is wished at each peer and what was heard about it: the RemoteApps, and the hosts' words of this process' life. */
import type { Clock } from "../../base/clock.ts";
import type { HostNews, WishBook } from "../../intent/origin-session.ts";
import type { Orphan } from "../../intent/wish.ts";
import { keyOf } from "../../kube/object.ts";
import type { RemoteApp } from "../../kube/resources.ts";
import type { Latest } from "../latest.ts";
import type { Heard } from "./facts.ts";
import { readHostStatus } from "./host-status.ts";
import { heldBy, isLeaving, type WordOf } from "./wishes.ts";

export interface AppBook {
  wishesAt(peer: string): WishBook;
  newsFrom(peer: string): HostNews;
  /** What was heard about the app from the peer that holds it. */
  heard(app: RemoteApp): Heard | undefined;
  /** The app goes to another host, or none: what was heard is over. */
  forgetHeard(app: RemoteApp): void;
  /** All that the peers said they run for us and we do not know. */
  orphans(): (Orphan & { peer: string })[];
  /** It is no peer any more, and nothing that it runs is our affair. */
  forgetPeer(peer: string): void;
}

/** `onHeard` is called with the key of an app about which something was heard. */
export function createAppBook(deps: {
  latest: Latest<RemoteApp>;
  wordOf: WordOf;
  clock: Clock;
  onHeard(key: string): void;
}): AppBook {
  const { latest, wordOf, clock } = deps;
  const keys = new Map<string, string>();
  const heard = new Map<string, Heard>();
  const orphans = new Map<string, readonly Orphan[]>();

  latest.subscribe((key, app, before) => {
    const [uid, old] = [app?.metadata.uid, before?.metadata.uid];
    if (old !== undefined && old !== uid) {
      keys.delete(old);
      heard.delete(old);
    }
    if (uid !== undefined) keys.set(uid, key);
  });

  /** The app with this UID, if this peer holds it: no peer has a word about what is another's. */
  function appAt(peer: string, uid: string): RemoteApp | undefined {
    const app = latest.get(keys.get(uid) ?? "");
    return app?.metadata.uid === uid && heldBy(app) === peer ? app : undefined;
  }

  function hear(peer: string, uid: string, news: Omit<Heard, "peer">): void {
    const app = appAt(peer, uid);
    if (!app) return;
    const before = heard.get(uid);
    heard.set(uid, { ...(before?.peer === peer ? before : {}), peer, ...news });
    deps.onHeard(keyOf(app));
  }

  return {
    wishesAt: (peer) => ({
      *heads() {
        for (const app of latest.list()) {
          if (heldBy(app) !== peer) continue;
          const { uid = "", generation = 0 } = app.metadata;
          yield { uid, generation, hash: wordOf(app).wish?.hash ?? "", deleted: isLeaving(app) };
        }
      },
      word(uid) {
        const app = appAt(peer, uid);
        if (!app) return undefined;
        return isLeaving(app) ? "deleted" : (wordOf(app).wish ?? "unspoken");
      },
    }),
    newsFrom: (peer) => ({
      state({ uid, generation, hash, status }) {
        const { refused } = heard.get(uid) ?? {};
        const state = { generation, hash, status: readHostStatus(status), at: clock.now() };
        // A refusal answers one wish; the same wish carried out answers it better.
        const stands = refused && refused.hash !== hash;
        heard.delete(uid);
        hear(peer, uid, stands ? { state, refused } : { state });
      },
      refused: ({ uid, hash, refusal }) => hear(peer, uid, { refused: { hash, refusal } }),
      gone: (uid) => hear(peer, uid, { gone: true }),
      orphans: (all) => void orphans.set(peer, all),
    }),
    heard: (app) => heard.get(app.metadata.uid ?? ""),
    forgetHeard: (app) => void heard.delete(app.metadata.uid ?? ""),
    forgetPeer: (peer) => void orphans.delete(peer),
    orphans: () => [...orphans].flatMap(([peer, all]) => all.map((orphan) => ({ ...orphan, peer }))),
  };
}
