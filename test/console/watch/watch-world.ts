/** A hub of watches over sources that a test moves, for whoever comes to it. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import type { Principal } from "../../../src/console/auth/principal.ts";
import { ChangeLog } from "../../../src/console/watch/change-log.ts";
import { type Listed, listSource } from "../../../src/console/watch/list-source.ts";
import { type Changing, objectSource } from "../../../src/console/watch/object-source.ts";
import { feedSources } from "../../../src/console/watch/sources.ts";
import { createWatchHub, type WatchHub, type WatchHubDeps } from "../../../src/console/watch/watch-hub.ts";
import { AppSchema } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { InboxItemSchema } from "../../../src/gen/fairlead/console/v1/inbox_service_pb.ts";
import { PeerSchema } from "../../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { type Change, Topic } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { person } from "../people.ts";

/** Objects of a kind that a test sets and deletes, with who listens. */
export class Source<T> implements Changing<T> {
  readonly #objects = new Map<string, T>();
  readonly listeners = new Set<(key: string, object: T | undefined) => void>();

  subscribe(listener: (key: string, object: T | undefined) => void): () => void {
    this.listeners.add(listener);
    for (const [key, object] of this.#objects) listener(key, object);
    return () => this.listeners.delete(listener);
  }

  async synced(): Promise<void> {}

  set(key: string, object: T | undefined): void {
    if (object !== undefined) this.#objects.set(key, object);
    else this.#objects.delete(key);
    for (const listener of this.listeners) listener(key, object);
  }
}

/** What waits, and news that something of it may have changed. */
export class Listing {
  items: readonly { readonly name: string; readonly peer: string; readonly hash: string }[] = [];
  looks = 0;
  readonly #listeners = new Set<() => void>();

  list(): Listed[] {
    this.looks += 1;
    return this.items.map(({ name, peer, hash }) => {
      const value = create(InboxItemSchema, { name, peer, hash });
      const now = (): Change["now"] => ({ case: "inboxItem", value });
      return { ref: { namespace: "", name }, peers: [peer], about: [peer], state: hash, now };
    });
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  set(...items: { name: string; peer: string; hash: string }[]): void {
    this.items = items;
    for (const listener of this.#listeners) listener();
  }
}

/** An app as a test sees it. */
export interface TestApp {
  readonly peer: string;
  readonly replicas: number;
  /** By a selector, so that it concerns the agent and is about the peer where it is now. */
  readonly isPlaced?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface WatchWorld {
  readonly peers: Source<string>;
  readonly apps: Source<TestApp>;
  readonly inbox: Listing;
  readonly hub: WatchHub;
  readonly log: ChangeLog;
  /** How often an app was turned into what is shown of it. */
  readonly shown: { count: number };
  /** Who there is, by credential. */
  readonly people: Map<string, Principal>;
}

export const grace = person("grace");

export function startWatches(
  o: {
    clock?: Clock;
    most?: WatchHubDeps["most"];
    mostGone?: number;
    /** Makes apps so much larger. */
    padding?: string;
    present?: WatchHubDeps["present"];
  } = {},
): WatchWorld {
  const clock = o.clock ?? systemClock;
  const peers = new Source<string>();
  const apps = new Source<TestApp>();
  const inbox = new Listing();
  const shown = { count: 0 };
  const people = new Map([[grace.credential, grace]]);
  const log = new ChangeLog({ clock, ...(o.mostGone !== undefined && { mostGone: o.mostGone }) });
  const sources = feedSources(log, [
    objectSource({
      topic: Topic.PEERS,
      objects: peers,
      traitsOf: (name) => ({ peers: [name], about: [name] }),
      now: (name) => ({ case: "peer", value: create(PeerSchema, { metadata: { name } }) }),
    }),
    objectSource({
      topic: Topic.APPS,
      objects: apps,
      isNamespaced: true,
      traitsOf: ({ peer, isPlaced, labels }) => ({ peers: [isPlaced ? "" : peer], about: [peer], labels }),
      now({ peer, replicas }) {
        shown.count += 1;
        const metadata = { annotations: { padding: o.padding ?? "" } };
        return { case: "app", value: create(AppSchema, { metadata, spec: { peer, replicas } }) };
      },
    }),
    listSource({
      topic: Topic.INBOX,
      list: () => inbox.list(),
      subscribe: inbox.subscribe,
      clock,
      log: silentLog,
    }),
  ]);
  const hub = createWatchHub({
    log,
    sources,
    present: o.present ?? ((credential) => people.get(credential)),
    refuse: (_decision, { what }) => new ConnectError(`not ${what}`, Code.PermissionDenied),
    clock,
    ...(o.most && { most: o.most }),
  });
  return { peers, apps, inbox, hub, log, shown, people };
}

/** A change in a few words: "app shop/a 1", "app shop/a gone". */
export function words({ topic, namespace, name, gone, now }: Change): string {
  const noun = { [Topic.APPS]: "app", [Topic.PEERS]: "peer", [Topic.INBOX]: "item" }[Number(topic)] ?? String(topic);
  const full = namespace === "" ? name : `${namespace}/${name}`;
  if (gone) return `${noun} ${full} gone`;
  if (now.case === "app") return `${noun} ${full} ${now.value.spec?.replicas}`;
  return now.case === "inboxItem" ? `${noun} ${full} ${now.value.hash}` : `${noun} ${full}`;
}
