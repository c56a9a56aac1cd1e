/** The watch, against sources that a test moves. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import type { Changing, ChangingInbox } from "../../../src/console/api/watch-service.ts";
import { createWatchService } from "../../../src/console/api/watch-service.ts";
import { type InboxItem, InboxItemSchema } from "../../../src/gen/fairlead/console/v1/inbox_service_pb.ts";
import { type WatchResponse, WatchService } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { PeerSpecSchema } from "../../../src/gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { RemoteAppSpecSchema } from "../../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Peer, RemoteApp } from "../../../src/kube/resources.ts";
import { until } from "../../patience.ts";

/** Objects of a kind that a test sets and deletes, with who listens. */
class Source<T> implements Changing<T> {
  readonly #objects = new Map<string, T>();
  readonly listeners = new Set<(key: string, object: T | undefined) => void>();

  subscribe(listener: (key: string, object: T | undefined) => void): () => void {
    this.listeners.add(listener);
    for (const [key, object] of this.#objects) listener(key, object);
    return () => this.listeners.delete(listener);
  }

  async synced(): Promise<void> {}

  set(key: string, object: T | undefined): void {
    if (object) this.#objects.set(key, object);
    else this.#objects.delete(key);
    for (const listener of this.listeners) listener(key, object);
  }
}

function app(namespace: string, name: string, replicas = 1): RemoteApp {
  const spec = create(RemoteAppSpecSchema, { peer: "berlin", image: "a", replicas });
  return { apiVersion: "fairlead.dev/v1alpha1", kind: "RemoteApp", metadata: { namespace, name }, spec };
}

function peer(name: string): Peer {
  const spec = create(PeerSpecSchema, { fingerprint: "ab" });
  return { apiVersion: "fairlead.dev/v1alpha1", kind: "Peer", metadata: { namespace: "fairlead-system", name }, spec };
}

/** What waits, and news that something of it may have changed. */
class Inbox implements ChangingInbox {
  items: InboxItem[] = [];
  readonly listeners = new Set<() => void>();

  list(): InboxItem[] {
    return this.items;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  set(...items: InboxItem[]): void {
    this.items = items;
    for (const listener of this.listeners) listener();
  }
}

function item(name: string, hash = "1"): InboxItem {
  return create(InboxItemSchema, { name, hash });
}

function startWatch() {
  const peers = new Source<Peer>();
  const apps = new Source<RemoteApp>();
  const inbox = new Inbox();
  const transport = createRouterTransport((router) => {
    router.service(WatchService, createWatchService({ peers, apps, inbox }));
  });
  const stop = new AbortController();
  const watch = (request: {
    peers?: boolean;
    apps?: boolean;
    inbox?: boolean;
    namespace?: string;
  }): AsyncIterator<WatchResponse> =>
    createClient(WatchService, transport).watch(request, { signal: stop.signal })[Symbol.asyncIterator]();
  return { peers, apps, inbox, watch, stop };
}

/** A change in a few words: "app shop/a 1", "app shop/a gone", "synced". */
function words({ change }: WatchResponse): string {
  if (change.case === "app") {
    const { metadata, spec } = change.value;
    return `app ${metadata?.namespace}/${metadata?.name} ${spec?.replicas}`;
  }
  if (change.case === "appGone") return `app ${change.value.namespace}/${change.value.name} gone`;
  if (change.case === "inboxItem") return `item ${change.value.name} ${change.value.hash}`;
  if (change.case === "inboxItemGone") return `item ${change.value} gone`;
  if (change.case === "peer") return `peer ${change.value.metadata?.name}`;
  return change.case === "peerGone" ? `peer ${change.value} gone` : String(change.case);
}

async function take(changes: AsyncIterator<WatchResponse>, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const next = await changes.next();
    if (next.done) break;
    taken.push(words(next.value));
  }
  return taken;
}

suite("the watch", { timeout: 20_000 }, () => {
  test("tells the present state, then that it is whole, then each change", async () => {
    const { peers, apps, watch, stop } = startWatch();
    apps.set("shop/a", app("shop", "a"));
    peers.set("fairlead-system/berlin", peer("berlin"));
    const changes = watch({ peers: true, apps: true });
    assert.deepEqual(await take(changes, 3), ["peer berlin", "app shop/a 1", "synced"]);
    apps.set("shop/a", app("shop", "a", 2));
    assert.deepEqual(await take(changes, 1), ["app shop/a 2"]);
    apps.set("shop/b", app("shop", "b"));
    apps.set("shop/a", undefined);
    assert.deepEqual(await take(changes, 2), ["app shop/b 1", "app shop/a gone"]);
    stop.abort();
  });

  test("with nothing there it says so at once", async () => {
    const { watch, stop } = startWatch();
    assert.deepEqual(await take(watch({ apps: true }), 1), ["synced"]);
    stop.abort();
  });

  test("tells only what was asked for", async () => {
    const { peers, apps, watch, stop } = startWatch();
    peers.set("fairlead-system/berlin", peer("berlin"));
    apps.set("shop/a", app("shop", "a"));
    apps.set("other/a", app("other", "a"));
    const changes = watch({ apps: true, namespace: "shop" });
    assert.deepEqual(await take(changes, 2), ["app shop/a 1", "synced"]);
    apps.set("other/b", app("other", "b"));
    apps.set("shop/c", app("shop", "c"));
    assert.deepEqual(await take(changes, 1), ["app shop/c 1"]);
    stop.abort();
  });

  test("a peer that goes is told by its name", async () => {
    const { peers, watch, stop } = startWatch();
    peers.set("fairlead-system/berlin", peer("berlin"));
    const changes = watch({ peers: true });
    await take(changes, 2);
    peers.set("fairlead-system/berlin", undefined);
    assert.deepEqual(await take(changes, 1), ["peer berlin gone"]);
    stop.abort();
  });

  test("of the inbox tells what is there, then what comes, changes and goes, and nothing that stays as it is", async () => {
    const { inbox, watch, stop } = startWatch();
    inbox.set(item("west/a"), item("west/b"));
    const changes = watch({ inbox: true });
    assert.deepEqual(await take(changes, 3), ["item west/a 1", "item west/b 1", "synced"]);
    inbox.set(item("west/a"), item("west/b", "2"), item("west/c"));
    assert.deepEqual(await take(changes, 2), ["item west/b 2", "item west/c 1"]);
    inbox.set(item("west/a"), item("west/b", "2"), item("west/c"));
    inbox.set(item("west/c"));
    assert.deepEqual(await take(changes, 2), ["item west/a gone", "item west/b gone"]);
    stop.abort();
  });

  test("a reader that is slow gets the latest state of each object, not every state", async () => {
    const { apps, watch, stop } = startWatch();
    const changes = watch({ apps: true });
    await take(changes, 1);
    for (let replicas = 1; replicas <= 10_000; replicas += 1) apps.set("shop/a", app("shop", "a", replicas));
    apps.set("shop/b", app("shop", "b"));
    const told = await take(changes, 1);
    while (!told.at(-1)?.startsWith("app shop/b")) told.push(...(await take(changes, 1)));
    assert.ok(told.length <= 4, `${told.length} changes for 10,000 states`);
    assert.equal(
      told.findLast((change) => change.startsWith("app shop/a")),
      "app shop/a 10000",
    );
    stop.abort();
  });

  test("who leaves is listened for no more", async () => {
    const { peers, apps, inbox, watch, stop } = startWatch();
    const listeners = (): number => apps.listeners.size + peers.listeners.size + inbox.listeners.size;
    const changes = watch({ peers: true, apps: true, inbox: true });
    await take(changes, 1);
    assert.equal(listeners(), 3);
    const next = changes.next();
    stop.abort();
    await assert.rejects(next);
    await until("nobody listens", () => listeners() === 0);
  });
});
