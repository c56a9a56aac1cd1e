import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { silentLog } from "../../src/base/log.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { createReflector, type Reflector } from "../../src/kube/reflector.ts";
import type { ConfigMap } from "../../src/kube/resources.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";
import { broken, expired, FakeStore } from "./store.ts";

interface Watched {
  store: FakeStore;
  clock: FakeClock;
  reflector: Reflector<ConfigMap>;
  /** What a listener was told, as "name=value" or "name gone". */
  news: string[];
}

function watchStore(t: TestContext | undefined, store = new FakeStore()): Watched {
  const clock = createFakeClock();
  const reflector = createReflector({ client: store, kind: store.kind, clock, log: silentLog, random: () => 0.5 });
  const news: string[] = [];
  reflector.subscribe((key, object) =>
    news.push(object ? `${key.slice(8)}=${object.data?.value}` : `${key.slice(8)} gone`),
  );
  t?.after(() => reflector.close());
  return { store, clock, reflector, news };
}

function shown(reflector: Reflector<ConfigMap>): Record<string, string> {
  return Object.fromEntries(reflector.list().map(({ metadata, data }) => [metadata.name, data?.value ?? ""]));
}

test("it shows what is there, then each change, once", async (t) => {
  const store = new FakeStore();
  store.put("a", "1");
  const { clock, reflector, news } = watchStore(t, store);
  assert.equal(reflector.isSynced, false);
  await clock.advance(0);
  await reflector.synced(new AbortController().signal);
  store.put("b", "1");
  store.put("a", "2");
  store.remove("b");
  await clock.advance(0);
  assert.deepEqual(news, ["a=1", "b=1", "a=2", "b gone"]);
  assert.deepEqual(shown(reflector), { a: "2" });
  assert.equal(reflector.get("default/a")?.data?.value, "2");
  assert.equal(store.lists.length, 1);
});

test("whoever subscribes late hears first of what is known already", async (t) => {
  const { store, clock, reflector } = watchStore(t);
  store.put("a", "1");
  await clock.advance(0);
  const keys: string[] = [];
  const end = reflector.subscribe((key) => keys.push(key));
  assert.deepEqual(keys, ["default/a"]);
  end();
  store.put("b", "1");
  await clock.advance(0);
  assert.deepEqual(keys, ["default/a"]);
});

test("a watch that the server ends goes on where it stopped, with no gap and nothing doubled", async (t) => {
  const { store, clock, news } = watchStore(t);
  await clock.advance(0);
  store.put("a", "1");
  await clock.advance(300_000);
  store.cut();
  store.put("a", "2");
  await clock.advance(60_000);
  assert.deepEqual(news, ["a=1", "a=2"]);
  assert.equal(store.lists.length, 1);
  assert.equal(store.watches[1]?.resourceVersion, "2");
});

test("a connection that is cut goes on where it stopped, after a pause", async (t) => {
  const { store, clock, news } = watchStore(t);
  await clock.advance(0);
  store.put("a", "1");
  await clock.advance(0);
  store.cut(new KubeError({ status: 0, reason: "Cut", message: "cut" }));
  store.put("b", "1");
  await clock.advance(0);
  assert.deepEqual(news, ["a=1"]);
  await clock.advance(60_000);
  assert.deepEqual(news, ["a=1", "b=1"]);
  assert.equal(store.lists.length, 1);
});

test("a bookmark moves the place to go on from, so that a quiet watch does not expire", async (t) => {
  const { store, clock, news } = watchStore(t);
  await clock.advance(0);
  store.put("a", "1");
  await clock.advance(0);
  store.put("b", "1");
  store.forget();
  store.bookmark();
  await clock.advance(60_000);
  store.cut();
  await clock.advance(60_000);
  assert.equal(store.lists.length, 1);
  assert.deepEqual(news, ["a=1", "b=1"]);
});

test("after 410 it lists again, tells what changed meanwhile, and also what went", async (t) => {
  const { store, clock, news } = watchStore(t);
  store.put("a", "1");
  store.put("b", "1");
  store.put("c", "1");
  await clock.advance(0);
  store.cut(expired());
  store.remove("a");
  store.put("b", "2");
  store.put("d", "1");
  store.forget();
  await clock.advance(60_000);
  assert.deepEqual(news, ["a=1", "b=1", "c=1", "a gone", "b=2", "d=1"]);
});

test("an object never goes missing because a list failed, whole or in its second page", async (t) => {
  const { store, clock, reflector, news } = watchStore(t);
  store.pageSize = 1;
  store.put("a", "1");
  store.put("b", "1");
  await clock.advance(0);
  store.faults.list = ({ continue: more }) => (more ? broken() : undefined);
  store.faults.watch = () => expired();
  store.cut(expired());
  await clock.advance(120_000);
  assert.ok(store.lists.length > 4);
  assert.deepEqual(shown(reflector), { a: "1", b: "1" });
  assert.deepEqual(news, ["a=1", "b=1"]);
  assert.match(reflector.lastError?.message ?? "", /500/);
  assert.ok(reflector.silentMs() < 60_000, "first pages are words too");
  store.faults.list = () => broken(503);
  await clock.advance(120_000);
  assert.ok(reflector.silentMs() >= 100_000);
  store.faults.list = () => undefined;
  store.faults.watch = () => undefined;
  await clock.advance(60_000);
  assert.equal(reflector.lastError, undefined);
  assert.deepEqual(news, ["a=1", "b=1"]);
});

test("a watch that opens is heard, though nothing changes for long", async (t) => {
  const store = new FakeStore();
  let refusals = 1;
  store.faults.watch = () => (refusals-- > 0 ? broken() : undefined);
  const { clock, reflector } = watchStore(t, store);
  await clock.advance(0);
  assert.ok(reflector.lastError, "a definition that was just made cannot be watched yet");
  await clock.advance(5_000);
  assert.equal(store.openWatches, 1);
  assert.equal(reflector.lastError, undefined);
});

test("a list whose pages expire is taken again as one", async (t) => {
  const store = new FakeStore();
  store.pageSize = 2;
  for (const name of ["a", "b", "c", "d", "e"]) store.put(name, "1");
  store.faults.list = ({ continue: more }) => (more?.startsWith("4@") ? expired() : undefined);
  const { clock, reflector } = watchStore(t, store);
  await clock.advance(0);
  assert.equal(reflector.list().length, 5);
  assert.equal(store.lists.at(-1)?.limit, undefined);
});

test("watches that fail again and again lead to a fresh list, because the version itself may be what is wrong", async (t) => {
  const { store, clock, news } = watchStore(t);
  store.put("a", "1");
  await clock.advance(0);
  store.faults.watch = ({ resourceVersion }) => (resourceVersion === "2" ? broken(504) : undefined);
  store.cut();
  store.put("b", "1");
  await clock.advance(120_000);
  assert.deepEqual(news, ["a=1", "b=1"]);
  assert.equal(store.lists.length, 2);
});

test("a server that is down is asked ever less often, with pauses of 30 s at most", async (t) => {
  const store = new FakeStore();
  store.faults.list = () => broken();
  const { clock, reflector } = watchStore(t, store);
  await clock.advance(3_600_000);
  assert.ok(store.lists.length < 300, `${store.lists.length} lists in an hour`);
  store.faults.list = () => undefined;
  await clock.advance(30_000);
  assert.equal(reflector.isSynced, true);
});

test("a server that ends each watch at once, or finds each version too old, is not asked without a pause", async (t) => {
  for (const error of [undefined, expired()]) {
    const { store, clock } = watchStore(t);
    await clock.advance(0);
    for (let seconds = 0; seconds < 600; seconds += 1) {
      store.cut(error);
      await clock.advance(1_000);
    }
    store.faults.watch = () => expired();
    store.cut();
    await clock.advance(600_000);
    assert.ok(store.lists.length + store.watches.length < 800, `${store.lists.length} lists`);
  }
});

test("a server that asks for a pause gets it", async (t) => {
  const store = new FakeStore();
  store.faults.list = () =>
    new KubeError({ status: 429, reason: "TooManyRequests", message: "", retryAfterMs: 20_000 });
  const { clock } = watchStore(t, store);
  await clock.advance(19_000);
  assert.equal(store.lists.length, 1);
});

test("a listener that throws keeps the news from nobody", async (t) => {
  const { store, clock, reflector } = watchStore(t);
  const heard: string[] = [];
  reflector.subscribe(() => {
    throw new Error("a defect");
  });
  reflector.subscribe((key) => heard.push(key));
  await clock.advance(0);
  store.put("a", "1");
  await clock.advance(0);
  store.put("b", "1");
  await clock.advance(0);
  assert.deepEqual(heard, ["default/a", "default/b"]);
});

test("closing ends the watch and every timer, and whoever waits for the first list hears it", async () => {
  const { store, clock, reflector } = watchStore(undefined);
  await clock.advance(0);
  assert.equal(store.openWatches, 1);
  await reflector.close();
  assert.equal(store.openWatches, 0);
  assert.equal(clock.timers, 0);

  const never = new FakeStore();
  never.faults.list = () => broken();
  const other = watchStore(undefined, never);
  await other.clock.advance(0);
  const waiting = assert.rejects(other.reflector.synced(new AbortController().signal), /closed/);
  await other.reflector.close();
  await waiting;
  assert.equal(other.clock.timers, 0);
});

test("whatever breaks in whatever order, it ends with the truth, and its news add up to it", async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant("put" as const), name: fc.constantFrom("a", "b", "c", "d") }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant("remove" as const), name: fc.constantFrom("a", "b", "c", "d") }),
    },
    fc.record({
      do: fc.constantFrom("cut", "end", "expire", "forget", "bookmark", "list fails", "watch fails", "pages"),
    }),
    { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(0, 100, 20_000) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { store, clock, reflector, news } = watchStore(undefined);
      let count = 0;
      const nextValue = (): string => {
        count += 1;
        return String(count);
      };
      for (const one of steps) {
        if (one.do === "put") store.put(one.name, nextValue());
        else if (one.do === "remove") store.remove(one.name);
        else if (one.do === "wait") await clock.advance(one.ms);
        else if (one.do === "cut") store.cut(broken(0));
        else if (one.do === "end") store.cut();
        else if (one.do === "expire") store.cut(expired());
        else if (one.do === "forget") store.forget();
        else if (one.do === "bookmark") store.bookmark();
        else if (one.do === "pages") store.pageSize = 2;
        else if (one.do === "list fails") store.faults.list = once(broken());
        else store.faults.watch = once(broken());
      }
      await clock.advance(120_000);
      assert.deepEqual(shown(reflector), store.values());
      assert.deepEqual(replay(news), store.values());
      assert.equal(
        new Set(news.filter((one) => one.includes("="))).size,
        news.filter((one) => one.includes("=")).length,
      );
      await reflector.close();
    }),
    { numRuns: 150 },
  );
});

function once(error: Error): () => Error | undefined {
  let left = 1;
  return () => (left-- > 0 ? error : undefined);
}

function replay(news: string[]): Record<string, string> {
  const state: Record<string, string> = {};
  for (const one of news) {
    const [name = "", value] = one.split(/=| /);
    if (one.endsWith(" gone")) delete state[name];
    else state[name] = value ?? "";
  }
  return state;
}

test("an empty list counts only when a second one confirms it", async (t) => {
  const store = new FakeStore();
  store.put("a", "1");
  store.put("b", "1");
  const { clock, reflector, news } = watchStore(t, store);
  await clock.advance(0);
  const { list } = store;
  store.list = async () => {
    store.list = list;
    return { items: [], resourceVersion: "9" };
  };
  store.forget();
  store.cut(expired());
  await clock.advance(10_000);
  assert.deepEqual(news, ["a=1", "b=1"], "one garbled answer removes nothing");
  assert.equal(store.openWatches, 1);

  store.cut();
  store.remove("a");
  store.remove("b");
  store.forget();
  await clock.advance(60_000);
  assert.deepEqual(news.slice(2), ["a gone", "b gone"]);
  assert.deepEqual(shown(reflector), {});
});
