/** The two halves of a conversation, joined by hand: what each says is heard by the other in order. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import type { SyncRequest, SyncResponse } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { createHostSession } from "../../src/intent/host-session.ts";
import { request, requestFault, wishToMessage } from "../../src/intent/messages.ts";
import { createOriginSession } from "../../src/intent/origin-session.ts";
import type { HostState, Orphan, RefusedWish, Wish } from "../../src/intent/wish.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { FakeStore, roomy } from "./fake-store.ts";

type Word = Wish | "deleted" | "unspoken";

function wish(uid: string, generation = 1, hash = `h${generation}`): Wish {
  return { uid, generation, namespace: "shop", name: uid, spec: "{}", hash };
}

/** One conversation between a book and a store. Settles when nothing more is said. */
async function talk(
  t: TestContext,
  words: Map<string, Word>,
  store: FakeStore,
  limits?: { objects?: number; specBytes?: number },
) {
  const clock = createFakeClock();
  const said: string[] = [];
  const heard: string[] = [];
  const states: HostState[] = [];
  const refused: RefusedWish[] = [];
  let orphans: readonly Orphan[] = [];
  const origin = createOriginSession({
    kind: "test",
    book: {
      *heads() {
        for (const [uid, word] of words) {
          const { generation, hash } = typeof word === "string" ? { generation: 0, hash: "" } : word;
          yield { uid, generation, hash, deleted: word === "deleted" };
        }
      },
      word: (uid) => words.get(uid),
    },
    news: {
      state: (state) => void states.push(state),
      refused: (one) => void refused.push(one),
      gone: (uid) => void heard.push(`gone ${uid}`),
      orphans: (all) => {
        orphans = all;
      },
    },
  });
  const host = createHostSession({
    pending: roomy(),
    store,
    clock,
    log: silentLog,
    ...(limits && { limits }),
  });
  const uidOf = (message: { value?: unknown } | SyncRequest["message"] | SyncResponse["message"]): string =>
    message.value && typeof message.value === "object" && "uid" in message.value ? ` ${message.value.uid}` : "";
  const running = Promise.all([
    (async () => {
      for await (const one of origin.requests()) {
        said.push(`${one.message.case}${uidOf(one.message)}`);
        if (one.message.case !== "begin") host.receive(one);
      }
    })(),
    (async () => {
      for await (const one of host.responses()) {
        heard.push(`${one.message.case}${uidOf(one.message)}`);
        origin.receive(one);
      }
    })(),
  ]);
  running.catch(() => undefined); // A test that expects the end of a conversation looks at it itself.
  t.after(async () => {
    origin.close();
    await host.close();
  });
  const settle = async (ms = 0): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await clock.advance(ms / 20);
  };
  await settle();
  return { running, origin, host, said, heard, states, refused, orphans: () => orphans, settle };
}

test("after both digests only the difference is said", async (t) => {
  const store = new FakeStore();
  store.set({ ...wish("same"), status: "fine" });
  store.set({ ...wish("edited"), status: "old" });
  const { said, states } = await talk(
    t,
    new Map([
      ["same", wish("same")],
      ["edited", wish("edited", 2)],
      ["new", wish("new")],
    ]),
    store,
  );
  assert.deepEqual(said, ["begin", "digest", "wish edited", "wish new"]);
  assert.deepEqual(store.asked, ["put edited 2", "put new 1"]);
  assert.deepEqual(states.map(({ uid, status }) => `${uid}: ${status}`).sort(), [
    "edited: status of h2",
    "new: status of h1",
    "same: fine",
  ]);
});

test("what is missing from a digest is an orphan and stays; a tombstone deletes and is answered", async (t) => {
  const store = new FakeStore();
  store.set({ ...wish("lost"), status: "" });
  store.set({ ...wish("dead"), status: "" });
  const { orphans, heard } = await talk(t, new Map([["dead", "deleted"]]), store);
  assert.deepEqual(store.asked.sort(), ["mark lost", "remove dead"]);
  assert.ok(heard.includes("gone dead"));
  assert.deepEqual(
    orphans().map(({ uid }) => uid),
    ["lost"],
  );
  assert.ok(store.get("lost")?.orphanedSince);
});

test("a tombstone for what the host does not hold is answered too, so that a finalizer can go", async (t) => {
  const { heard } = await talk(t, new Map([["dead", "deleted"]]), new FakeStore());
  assert.ok(heard.includes("gone dead"));
});

test("gone is said when the object is gone, not when its deletion was asked for", async (t) => {
  const store = new FakeStore();
  store.slow = true;
  store.set({ ...wish("a"), status: "" });
  const { heard, settle } = await talk(t, new Map([["a", "deleted"]]), store);
  assert.ok(!heard.includes("gone a"));
  store.finish("a");
  await settle();
  assert.ok(heard.includes("gone a"));
});

test("an object that comes back while it is being deleted is made again after the end of the deletion", async (t) => {
  const store = new FakeStore();
  store.slow = true;
  store.set({ ...wish("a"), status: "" });
  const words = new Map<string, Word>([["a", "deleted"]]);
  const { origin, heard, settle } = await talk(t, words, store);
  words.set("a", wish("a", 2));
  origin.changed("a");
  await settle();
  assert.deepEqual(store.asked, ["remove a"], "it is wished anew only when its end was heard");
  store.finish("a");
  await settle();
  assert.equal(store.get("a")?.hash, "h2");
  assert.ok(heard.includes("gone a"));
});

test("a refusal is an answer: it is not tried again until the wish or the host's rules change", async (t) => {
  const store = new FakeStore();
  store.refuse = () => ({ reason: "Denied", message: "no", violations: [] });
  const words = new Map<string, Word>([["a", wish("a")]]);
  const { origin, host, refused, settle } = await talk(t, words, store);
  assert.deepEqual(store.asked, ["put a 1"]);
  assert.equal(refused[0]?.hash, "h1");
  origin.changed("a");
  await settle(60_000);
  assert.deepEqual(store.asked, ["put a 1"], "nothing changed, nothing is tried");
  store.refuse = () => undefined;
  host.reconsider();
  await settle();
  assert.deepEqual(store.asked, ["put a 1", "put a 1"]);
  assert.equal(store.get("a")?.hash, "h1");
});

test("of what was refused only what is chosen is asked for again, and a rule's values reach the origin", async (t) => {
  const store = new FakeStore();
  const violation = { field: "replicas", rule: "quota/pods", message: "too many", asked: "5", allowed: "3" };
  const images = { field: "image", rule: "images/denied", message: "not that" };
  store.refuse = ({ uid }) => ({ reason: "Denied", message: "no", violations: [uid === "a" ? violation : images] });
  const words = new Map<string, Word>([
    ["a", wish("a")],
    ["b", wish("b")],
  ]);
  const { host, refused, settle } = await talk(t, words, store);
  assert.deepEqual(
    refused.map(({ refusal }) => refusal.violations),
    [[violation], [images]],
  );
  host.reconsider(({ violations }) => violations.some(({ rule }) => rule.startsWith("quota/")));
  await settle();
  assert.deepEqual(store.asked, ["put a 1", "put b 1", "put a 1"]);
});

test("trouble at the host is tried again, and told to the origin when it lasts", async (t) => {
  const store = new FakeStore();
  store.fail = () => new Error("the API server is away");
  const { refused, settle } = await talk(t, new Map([["a", wish("a")]]), store);
  await settle(5_000);
  assert.equal(refused[0]?.refusal.reason, "Failing");
  assert.match(refused[0]?.refusal.message ?? "", /the API server is away/);
  store.fail = () => undefined;
  await settle(60_000);
  assert.equal(store.get("a")?.hash, "h1");
});

test("trouble with a wish that was carried out all the same is over for the origin too, once the host knows", async (t) => {
  const store = new FakeStore();
  // The API server carries each write out, and its answers are lost.
  store.loseAnswer = () => new Error("the answer was lost");
  const { refused, states, settle } = await talk(t, new Map([["a", wish("a")]]), store);
  await settle(5_000);
  assert.equal(refused.at(-1)?.refusal.reason, "Failing");
  const before = states.length;
  store.loseAnswer = () => undefined;
  await settle(60_000);
  assert.deepEqual(
    states.slice(before).map(({ uid, hash }) => [uid, hash]),
    [["a", "h1"]],
  );
});

test("what somebody deletes at the host is asked for again", async (t) => {
  const store = new FakeStore();
  const { settle, said } = await talk(t, new Map([["a", wish("a")]]), store);
  store.finish("a");
  await settle();
  assert.deepEqual(said, ["begin", "digest", "wish a", "wish a"]);
  assert.ok(store.get("a"));
});

test("an object that the origin forgets without a tombstone becomes an orphan, and is none when it is back", async (t) => {
  const store = new FakeStore();
  const words = new Map<string, Word>([["a", wish("a")]]);
  const { origin, orphans, settle } = await talk(t, words, store);
  words.delete("a");
  origin.changed("a");
  await settle();
  assert.equal(orphans().length, 1);
  words.set("a", wish("a"));
  origin.changed("a");
  await settle();
  assert.equal(orphans().length, 0);
  assert.equal(store.get("a")?.orphanedSince, undefined);
});

test("a wish that is late within a conversation is ignored, and an older one in the next is heard", async (t) => {
  const store = new FakeStore();
  const first = await talk(t, new Map([["a", wish("a", 5)]]), store);
  first.host.receive(request({ case: "wish", value: wishToMessage(wish("a", 4)) }));
  await first.settle();
  assert.equal(store.get("a")?.generation, 5);
  await talk(t, new Map([["a", wish("a", 2)]]), store);
  assert.equal(store.get("a")?.generation, 2);
});

test("a status that changes a thousand times while nobody reads is said once, as it is then", async (t) => {
  const store = new FakeStore();
  const { states, settle } = await talk(t, new Map([["a", wish("a")]]), store);
  for (let index = 0; index < 1000; index += 1) store.set({ ...wish("a"), status: `status ${index}` });
  await settle();
  assert.deepEqual(
    states.map(({ status }) => status),
    ["status of h1", "status 999"],
  );
});

test("more objects, or a longer spec, than the host takes are refused, and the rest works", async (t) => {
  const store = new FakeStore();
  const words = new Map<string, Word>([
    ["a", wish("a")],
    ["b", wish("b")],
    ["big", { ...wish("big"), spec: JSON.stringify("x".repeat(99)) }],
  ]);
  const small = await talk(t, words, store, { objects: 1, specBytes: 50 });
  await assert.rejects(small.running, /more than 1 objects/);
  words.delete("b");
  const larger = await talk(t, words, store, { objects: 2, specBytes: 50 });
  assert.deepEqual(
    larger.refused.map(({ uid, refusal }) => `${uid} ${refusal.reason}`),
    ["big TooLarge"],
  );
  assert.ok(store.get("a"));
});

test("what breaks the rules of the protocol is named, so that a hostile name never reaches the cluster", () => {
  const good = { uid: "u", generation: 1n, namespace: "shop", name: "web", spec: "{}", hash: "h" };
  assert.equal(requestFault(request({ case: "wish", value: good })), undefined);
  const bad = [
    { uid: "../x" },
    { uid: "" },
    { namespace: "a/b" },
    { namespace: "" },
    { name: "Web" },
    { name: "a..b" },
    { generation: -1n },
    { hash: "" },
  ];
  for (const change of bad) {
    assert.ok(
      requestFault(request({ case: "wish", value: { ...good, ...change } })),
      JSON.stringify(Object.keys(change)),
    );
  }
  assert.ok(requestFault(request({ case: "tombstone", value: { uid: "a b" } })));
  const entries = Array.from({ length: 501 }, (_, index) => ({ uid: `u${index}`, generation: 1n, hash: "h" }));
  assert.ok(requestFault(request({ case: "digest", value: { entries, complete: true } })));
});
