/** WatchService, against sources that a test moves. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { explainError } from "../../../src/client/explain.ts";
import { createWatchService } from "../../../src/console/api/watch-service.ts";
import { principalKey } from "../../../src/console/auth/principal.ts";
import { Role } from "../../../src/gen/fairlead/console/v1/access_pb.ts";
import {
  Reset_Reason as Reason,
  Topic,
  type WatchResponse,
  WatchService,
} from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { createFakeClock } from "../../base/fake-clock.ts";
import { until } from "../../patience.ts";
import { person } from "../people.ts";
import { grace, startWatches, type WatchWorld, words } from "../watch/watch-world.ts";

type Request = Parameters<Client<typeof WatchService>["watch"]>[0];

/** What one watch was told, in words. */
class Watching {
  readonly told: string[] = [];
  readonly numbers: bigint[] = [];
  resume = "";
  readonly #responses: AsyncIterator<WatchResponse>;
  readonly #stop = new AbortController();

  constructor(world: WatchWorld, request: Request, who = grace) {
    const transport = createRouterTransport(
      (router) => void router.service(WatchService, createWatchService({ hub: world.hub })),
      {
        router: {
          interceptors: [
            (next) => (call) => {
              call.contextValues.set(principalKey, who);
              return next(call);
            },
          ],
        },
      },
    );
    const { signal } = this.#stop;
    this.#responses = createClient(WatchService, transport).watch(request, { signal })[Symbol.asyncIterator]();
  }

  /** Reads on until it was told this. */
  async until(wanted: string): Promise<string[]> {
    while (!this.told.includes(wanted)) assert.ok(await this.next(), `it ended without "${wanted}"`);
    return this.told.splice(0);
  }

  async next(): Promise<WatchResponse | undefined> {
    const { done, value } = await this.#responses.next();
    if (done) return undefined;
    if (value.reset) this.told.push(`reset ${value.reset.reason}`);
    for (const change of value.changes) {
      this.told.push(words(change));
      this.numbers.push(change.number);
    }
    if (value.isSynced) this.told.push("synced");
    this.resume = value.resume;
    return value;
  }

  stop(): void {
    this.#stop.abort();
  }
}

const apps = [{ topic: Topic.APPS }];

suite("the watch", { timeout: 60_000 }, () => {
  test("tells the present state, then that it is whole, then each change", async () => {
    const world = startWatches();
    world.apps.set("shop/a", { peer: "east", replicas: 1 });
    world.peers.set("system/east", "east");
    const watch = new Watching(world, { topics: [{ topic: Topic.PEERS }, { topic: Topic.APPS }] });
    assert.deepEqual(await watch.until("synced"), ["peer east", "app shop/a 1", "synced"]);
    world.apps.set("shop/a", { peer: "east", replicas: 2 });
    assert.deepEqual(await watch.until("app shop/a 2"), ["app shop/a 2"]);
    world.apps.set("shop/b", { peer: "east", replicas: 1 });
    world.apps.set("shop/a", undefined);
    world.peers.set("system/east", undefined);
    assert.deepEqual(await watch.until("peer east gone"), ["app shop/b 1", "app shop/a gone", "peer east gone"]);
    assert.deepEqual(watch.numbers.slice(2), [3n, 4n, 5n, 6n]);
    watch.stop();
  });

  test("with nothing there it says so at once", async () => {
    const watch = new Watching(startWatches(), { topics: apps });
    assert.deepEqual(await watch.until("synced"), ["synced"]);
    watch.stop();
  });

  test("without topics tells of all that there are", async () => {
    const world = startWatches();
    world.apps.set("shop/a", { peer: "east", replicas: 1 });
    world.peers.set("system/east", "east");
    world.inbox.set({ name: "east/x", peer: "east", hash: "1" });
    const watch = new Watching(world, {});
    assert.deepEqual(await watch.until("synced"), ["peer east", "app shop/a 1", "item east/x 1", "synced"]);
    watch.stop();
  });

  test("tells only what was asked for: by namespace, peer, name and labels, as they are now", async () => {
    const world = startWatches();
    const labels = { tier: "web" };
    world.apps.set("shop/a", { peer: "east", replicas: 1, labels });
    world.apps.set("other/a", { peer: "east", replicas: 1, labels });
    world.apps.set("shop/b", { peer: "west", replicas: 1, labels });
    world.apps.set("shop/c", { peer: "east", replicas: 1 });
    const wanted = { topic: Topic.APPS, namespace: "shop", peer: "east", labelSelector: "tier in (web, db)" };
    const watch = new Watching(world, { topics: [wanted, { topic: Topic.APPS, namespace: "other", name: "z" }] });
    assert.deepEqual(await watch.until("synced"), ["app shop/a 1", "synced"]);
    world.apps.set("shop/a", { peer: "east", replicas: 2 });
    world.apps.set("shop/c", { peer: "east", replicas: 2, labels: { tier: "db" } });
    world.apps.set("other/z", { peer: "west", replicas: 7 });
    assert.deepEqual(await watch.until("app other/z 7"), ["app shop/a gone", "app shop/c 2", "app other/z 7"]);
    watch.stop();
  });

  test("an app that a selector has placed is found by the peer where it is, and only by who sees the agent", async () => {
    const world = startWatches();
    const erin = person("erin", [{ role: Role.VIEWER, peers: ["east"] }]);
    world.people.set(erin.credential, erin);
    world.apps.set("shop/a", { peer: "east", replicas: 1, isPlaced: true });
    world.apps.set("shop/b", { peer: "east", replicas: 1 });
    const topics = [{ topic: Topic.APPS, peer: "east" }];
    const watch = new Watching(world, { topics });
    assert.deepEqual(await watch.until("synced"), ["app shop/a 1", "app shop/b 1", "synced"]);
    world.apps.set("shop/a", { peer: "west", replicas: 1, isPlaced: true });
    assert.deepEqual(await watch.until("app shop/a gone"), ["app shop/a gone"]);
    watch.stop();
    world.apps.set("shop/a", { peer: "east", replicas: 2, isPlaced: true });
    const hers = new Watching(world, { topics }, erin);
    assert.deepEqual(await hers.until("synced"), ["app shop/b 1", "synced"]);
    hers.stop();
  });

  test("a topic is asked for only by what its things have, and a refusal names the field and the topic", async () => {
    const refused = async (topic: object, field: string, names: RegExp): Promise<void> => {
      const watch = new Watching(startWatches(), { topics: [{ topic: Topic.APPS, namespace: "shop" }, topic] });
      await assert.rejects(watch.next(), (error) => {
        const { code, message, violations } = explainError(error);
        assert.equal(code, Code.InvalidArgument);
        assert.deepEqual(
          violations.map((one) => one.field),
          [`topics[1].${field}`],
        );
        assert.match(message, names);
        return true;
      });
    };
    await refused({ topic: Topic.LINKS, namespace: "shop" }, "namespace", /TOPIC_LINKS are in no namespace/);
    await refused({ topic: Topic.INVITES, peer: "east" }, "peer", /TOPIC_INVITES have to do with no peer/);
    await refused({ topic: Topic.INBOX, labelSelector: "a=b" }, "labelSelector", /TOPIC_INBOX have no labels/);
    await refused({ topic: Topic.APPS, labelSelector: "a in b" }, "labelSelector", /a in b/);
  });

  test("a selector that cannot be read is refused", async () => {
    const watch = new Watching(startWatches(), { topics: [{ topic: Topic.APPS, labelSelector: "tier in web" }] });
    await assert.rejects(watch.next(), (error) => ConnectError.from(error).code === Code.InvalidArgument);
  });

  test("selectors in one watch are few, since each change is held against each", async () => {
    const topics = Array.from({ length: 5 }, (_, i) => ({ topic: Topic.APPS, labelSelector: `a=${i}` }));
    const watch = new Watching(startWatches(), { topics });
    await assert.rejects(watch.next(), (error) => ConnectError.from(error).code === Code.InvalidArgument);
    const few = new Watching(startWatches(), { topics: topics.slice(1) });
    assert.deepEqual(await few.until("synced"), ["synced"]);
    few.stop();
  });

  test("of the inbox tells what is there, then what comes, changes and goes, and nothing that stays as it is", async () => {
    const world = startWatches();
    const item = (name: string, hash = "1") => ({ name, peer: "west", hash });
    world.inbox.set(item("west/a"), item("west/b"));
    const watch = new Watching(world, { topics: [{ topic: Topic.INBOX }] });
    assert.deepEqual(await watch.until("synced"), ["item west/a 1", "item west/b 1", "synced"]);
    world.inbox.set(item("west/a"), item("west/b", "2"), item("west/c"));
    assert.deepEqual(await watch.until("item west/c 1"), ["item west/b 2", "item west/c 1"]);
    world.inbox.set(item("west/c"));
    assert.deepEqual(await watch.until("item west/b gone"), ["item west/a gone", "item west/b gone"]);
    watch.stop();
  });

  test("what has to be looked at is not looked at while nobody watches, and is up to date for who comes", async () => {
    const world = startWatches();
    for (const hash of ["1", "2", "3"]) world.inbox.set({ name: "west/a", peer: "west", hash });
    assert.equal(world.inbox.looks, 0);
    const watch = new Watching(world, { topics: [{ topic: Topic.INBOX }] });
    assert.deepEqual(await watch.until("synced"), ["item west/a 3", "synced"]);
    watch.stop();
  });

  test("a reader that is slow gets the latest state of each object, not every state", async () => {
    const world = startWatches();
    const watch = new Watching(world, { topics: apps });
    await watch.until("synced");
    for (let replicas = 1; replicas <= 10_000; replicas += 1) world.apps.set("shop/a", { peer: "east", replicas });
    world.apps.set("shop/b", { peer: "east", replicas: 1 });
    const told = await watch.until("app shop/b 1");
    assert.ok(told.length <= 4, `${told.length} changes for 10,000 states`);
    assert.equal(told.at(-2), "app shop/a 10000");
    watch.stop();
  });

  test("each change is turned into bytes once, however many watch", async () => {
    const world = startWatches();
    const watches = Array.from({ length: 20 }, () => new Watching(world, { topics: apps }));
    await Promise.all(watches.map((watch) => watch.until("synced")));
    world.shown.count = 0;
    world.apps.set("shop/a", { peer: "east", replicas: 1 });
    await Promise.all(watches.map((watch) => watch.until("app shop/a 1")));
    assert.equal(world.shown.count, 1);
    for (const watch of watches) watch.stop();
  });

  test("who was cut off goes on where it was, and hears nothing twice", async () => {
    const world = startWatches();
    world.apps.set("shop/a", { peer: "east", replicas: 1 });
    world.apps.set("shop/b", { peer: "east", replicas: 1 });
    const first = new Watching(world, { topics: apps });
    await first.until("synced");
    first.stop();
    world.apps.set("shop/a", undefined);
    world.apps.set("shop/c", { peer: "east", replicas: 1 });
    const second = new Watching(world, { topics: apps, resume: first.resume });
    assert.deepEqual(await second.until("synced"), ["app shop/a gone", "app shop/c 1", "synced"]);
    second.stop();
  });

  test("who cannot go on is told why, and all anew", async () => {
    const world = startWatches({ mostGone: 1 });
    world.apps.set("shop/a", { peer: "east", replicas: 1 });
    const first = new Watching(world, { topics: apps });
    await first.until("synced");
    first.stop();
    const resume = first.resume;
    const whole = ["app shop/a 1", "synced"];
    const elsewhere = startWatches();
    elsewhere.apps.set("shop/a", { peer: "east", replicas: 1 });
    const told = async (at: WatchWorld, request: Request, who = grace): Promise<string[]> => {
      const watch = new Watching(at, request, who);
      try {
        return await watch.until("synced");
      } finally {
        watch.stop();
      }
    };
    const reset = (reason: Reason) => [`reset ${reason}`, ...whole];
    assert.deepEqual(await told(elsewhere, { topics: apps, resume }), reset(Reason.OTHER_INSTANCE));
    assert.deepEqual(await told(world, { topics: apps, resume: "what?" }), reset(Reason.OTHER_INSTANCE));
    const other = { topics: [{ topic: Topic.APPS, namespace: "shop" }], resume };
    assert.deepEqual(await told(world, other), reset(Reason.OTHER_TOPICS));
    const east = person("erin", [{ role: Role.VIEWER, peers: ["east"] }]);
    world.people.set(east.credential, east);
    assert.deepEqual(await told(world, { topics: apps, resume }, east), reset(Reason.OTHER_ACCESS));
    for (const name of ["b", "c"]) {
      world.apps.set(`shop/${name}`, { peer: "east", replicas: 1 });
      world.apps.set(`shop/${name}`, undefined);
    }
    assert.deepEqual(await told(world, { topics: apps, resume }), reset(Reason.TOO_OLD));
  });

  test("what is not of the caller's peers never appears, and what leaves them is gone", async () => {
    const world = startWatches();
    const erin = person("erin", [{ role: Role.VIEWER, peers: ["east"] }]);
    world.people.set(erin.credential, erin);
    world.apps.set("shop/a", { peer: "east", replicas: 1 });
    world.apps.set("shop/b", { peer: "west", replicas: 1 });
    world.peers.set("system/west", "west");
    world.inbox.set({ name: "west/x", peer: "west", hash: "1" });
    const watch = new Watching(world, {}, erin);
    assert.deepEqual(await watch.until("synced"), ["app shop/a 1", "synced"]);
    world.apps.set("shop/b", { peer: "west", replicas: 2 });
    world.apps.set("shop/a", { peer: "west", replicas: 1 });
    world.apps.set("shop/b", { peer: "east", replicas: 3 });
    assert.deepEqual(await watch.until("app shop/b 3"), ["app shop/a gone", "app shop/b 3"]);
    watch.stop();
  });

  test("a topic that the caller may not list is refused, and left out of all", async () => {
    const world = startWatches();
    const erin = person("erin", [{ role: Role.VIEWER, peers: ["east"] }]);
    world.people.set(erin.credential, erin);
    for (const topic of [Topic.INVITES, Topic.POLICIES]) {
      const watch = new Watching(world, { topics: [{ topic }] }, erin);
      await assert.rejects(watch.next(), (error) => ConnectError.from(error).code === Code.PermissionDenied);
    }
    const watch = new Watching(world, {}, erin);
    assert.deepEqual(await watch.until("synced"), ["synced"]);
    watch.stop();
  });

  test("within a second, whoever may see something else is told all anew, and whoever may see nothing hears no more", async () => {
    const clock = createFakeClock();
    const world = startWatches({ clock });
    const erin = person("erin", [{ role: Role.VIEWER, peers: ["east"] }]);
    world.people.set(erin.credential, erin);
    world.apps.set("shop/a", { peer: "east", replicas: 1 });
    world.apps.set("shop/b", { peer: "west", replicas: 1 });
    const watch = new Watching(world, { topics: apps }, erin);
    assert.deepEqual(await watch.until("synced"), ["app shop/a 1", "synced"]);
    world.people.set(erin.credential, { ...erin, roles: [{ role: Role.VIEWER, peers: ["west"] }] });
    const anew = watch.until("synced");
    await clock.advance(1_000);
    assert.deepEqual(await anew, [`reset ${Reason.OTHER_ACCESS}`, "app shop/b 1", "synced"]);
    world.people.set(erin.credential, { ...erin, roles: [] });
    const denied = assert.rejects(watch.next(), (error) => ConnectError.from(error).code === Code.PermissionDenied);
    await clock.advance(1_000);
    await denied;
    assert.equal(world.hub.size, 0);
  });

  test("it ends within a second when what its caller signed in by does", async () => {
    const clock = createFakeClock();
    const world = startWatches({ clock });
    const watch = new Watching(world, { topics: apps });
    await watch.until("synced");
    world.people.clear();
    const ended = assert.rejects(watch.next(), (error) => ConnectError.from(error).code === Code.Unauthenticated);
    await clock.advance(1_000);
    await ended;
  });

  test("says every 15 seconds that it lives, and where it is", async () => {
    const clock = createFakeClock();
    const world = startWatches({ clock });
    const watch = new Watching(world, { topics: apps });
    await watch.until("synced");
    const before = watch.resume;
    world.peers.set("system/east", "east"); // Not watched, and still the watch is further.
    const next = watch.next();
    await clock.advance(15_500);
    const alive = await next;
    assert.deepEqual([alive?.changes, alive?.isSynced], [[], false]);
    assert.notEqual(watch.resume, before);
    watch.stop();
  });

  test("there are only so many, in all and of one", async () => {
    const world = startWatches({ most: { all: 3, ofOne: 2 } });
    const others = ["erin", "frank"].map((name) => person(name));
    for (const one of others) world.people.set(one.credential, one);
    const refused = async (who = grace): Promise<void> =>
      assert.rejects(
        new Watching(world, { topics: apps }, who).next(),
        (error) => ConnectError.from(error).code === Code.ResourceExhausted,
      );
    const open = async (who = grace): Promise<Watching> => {
      const watch = new Watching(world, { topics: apps }, who);
      await watch.until("synced");
      return watch;
    };
    const byAnother = { ...grace, credential: "test:grace, by another token" };
    world.people.set(byAnother.credential, byAnother);
    const first = await open();
    const second = await open(byAnother);
    await refused();
    await refused(byAnother);
    const third = await open(others[0]);
    await refused(others[1]);
    first.stop();
    await until("there is room again", () => world.hub.size === 2);
    (await open(others[1])).stop();
    for (const watch of [second, third]) watch.stop();
  });

  test("who leaves is remembered by nothing, also one that never read on", async () => {
    const clock = createFakeClock();
    const world = startWatches({ clock });
    const idle = new Watching(world, { topics: apps });
    await idle.until("synced");
    const reading = new Watching(world, { topics: apps });
    await reading.until("synced");
    const next = reading.next();
    idle.stop();
    reading.stop();
    await assert.rejects(next);
    await until("nobody watches", () => world.hub.size === 0);
    await clock.advance(1_000);
    assert.equal(clock.timers, 0);
  });
});
