/** What comes with a wish beside its spec: how much of it, to whom, and what becomes of it when there is no room or it is lost. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { inspect } from "node:util";
import { silentLog } from "../../src/base/log.ts";
import { SecretContent } from "../../src/base/secret-content.ts";
import type { SyncResponse } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { hashWish } from "../../src/intent/hash.ts";
import { createHostSession } from "../../src/intent/host-session.ts";
import { request, response, wishFromMessage, wishToMessage } from "../../src/intent/messages.ts";
import { createOriginSession } from "../../src/intent/origin-session.ts";
import { createPendingBytes } from "../../src/intent/pending-bytes.ts";
import type { RefusedWish, Wish } from "../../src/intent/wish.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { FakeStore } from "./fake-store.ts";

function wish(uid: string, bytes: number, generation = 1): Wish {
  const content = new SecretContent({ key: Buffer.alloc(bytes, 120) });
  const attachments = [{ kind: "Secret", name: "db", type: "Opaque", content } as const];
  return { uid, generation, namespace: "shop", name: uid, spec: "{}", hash: `h${generation}`, attachments };
}

/** Puts nothing before it is opened. */
class ClosedStore extends FakeStore {
  readonly #gate = Promise.withResolvers<void>();
  open(): void {
    this.#gate.resolve();
  }
  override async put(wish: Wish): ReturnType<FakeStore["put"]> {
    await this.#gate.promise;
    return super.put(wish);
  }
}

function host(t: TestContext, store: FakeStore, most = { each: 1_000, all: 1_000 }, clock = createFakeClock()) {
  const pending = createPendingBytes({ most, clock });
  const session = createHostSession({ store, clock, log: silentLog, pending });
  const said: SyncResponse["message"][] = [];
  const reading = (async () => {
    for await (const { message } of session.responses()) said.push(message);
  })();
  t.after(async () => {
    await session.close();
    await reading;
  });
  const settle = async (ms = 0): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await clock.advance(ms / 20);
  };
  const hear = (one: Wish): void => session.receive(request({ case: "wish", value: wishToMessage(one) }));
  session.receive(request({ case: "digest", value: { entries: [], complete: true } }));
  const needs = (): string[] => said.flatMap((message) => (message.case === "need" ? message.value.uids : []));
  return { session, said, settle, hear, needs };
}

test("what has no room is not kept, and is asked for again when what came before it is stored", async (t) => {
  const store = new ClosedStore();
  const { hear, needs, settle } = host(t, store);
  for (const uid of ["a", "b", "c", "d"]) hear(wish(uid, 400));
  await settle();
  assert.deepEqual(needs(), []);
  store.open();
  await settle();
  assert.deepEqual([...store.objects.keys()], ["a", "b"]);
  assert.deepEqual(needs().sort(), ["c", "d"]);
  for (const uid of ["c", "d"]) hear(wish(uid, 400));
  await settle();
  assert.deepEqual([...store.objects.keys()].sort(), ["a", "b", "c", "d"]);
});

test("what was asked for again and never came keeps nobody waiting for ever", async (t) => {
  const store = new ClosedStore();
  const { hear, needs, settle } = host(t, store);
  for (const uid of ["a", "b", "c"]) hear(wish(uid, 900));
  store.open();
  await settle();
  assert.deepEqual(needs(), ["b"]);
  await settle(10_000);
  assert.deepEqual(needs(), ["b", "c"]);
});

test("a conversation that holds all the room of the agent gives it back to the others when it ends", async (t) => {
  const clock = createFakeClock();
  const pending = createPendingBytes({ most: { each: 1_000, all: 1_000 }, clock });
  const asked: string[] = [];
  const [greedy, other] = [pending.share(() => undefined), pending.share((uid) => void asked.push(uid))];
  assert.equal(greedy.take("a", 900), true);
  assert.equal(other.take("b", 200), false);
  greedy.close();
  assert.deepEqual(asked, ["b"]);
  assert.equal(other.take("b", 200), true);
  assert.equal(other.take("b", 1_001), false);
  other.close();
  t.after(() => clock.advance(0));
});

test("a wish that waits for the end of a deletion is not kept with its content, and asked for again after that", async (t) => {
  const store = new FakeStore();
  store.slow = true;
  store.set({ ...wish("a", 10), status: "" });
  const { session, hear, needs, settle } = host(t, store);
  session.receive(request({ case: "tombstone", value: { uid: "a" } }));
  await settle();
  hear(wish("a", 400, 2));
  await settle();
  hear(wish("b", 900));
  await settle();
  assert.ok(store.objects.has("b"), "what waits takes no room");
  store.finish("a");
  await settle();
  assert.deepEqual(needs(), ["a"]);
  hear(wish("a", 400, 2));
  await settle();
  assert.equal(store.get("a")?.hash, "h2");
});

test("what is lost at the host is no longer what its digest says, and is asked for once as soon as it is seen", async (t) => {
  const store = new FakeStore();
  store.set({ ...wish("a", 10), status: "", lacks: true });
  const { said, hear, needs, settle } = host(t, store);
  await settle();
  const digest = said.find((message) => message.case === "digest");
  assert.deepEqual(digest?.case === "digest" && digest.value.entries.map(({ uid, hash }) => `${uid} ${hash}`), ["a "]);
  hear(wish("a", 10));
  await settle();
  assert.equal(store.get("a")?.lacks, undefined);
  store.set({ ...wish("a", 10), status: "", lacks: true });
  store.set({ ...wish("a", 10), status: "other", lacks: true });
  await settle();
  assert.deepEqual(needs(), ["a"]);
});

for (const [most, reason] of [
  [0, "HostTooOld"],
  [100, "TooLarge"],
] as const) {
  test(`a host that takes ${most} bytes of attachments is not sent a wish with more: ${reason}`, async () => {
    const refused: RefusedWish[] = [];
    const book = { heads: () => [], word: () => wish("a", 200) };
    const nothing = (): void => undefined;
    const news = {
      state: nothing,
      refused: (one: RefusedWish) => void refused.push(one),
      gone: nothing,
      orphans: nothing,
    };
    const session = createOriginSession({ kind: "test", book, news });
    const said: string[] = [];
    const speaking = (async () => {
      for await (const { message } of session.requests()) said.push(message.case ?? "");
    })();
    session.receive(response({ case: "welcome", value: { maxSpecBytes: 1_000, maxAttachmentBytes: most } }));
    session.receive(response({ case: "digest", value: { entries: [], complete: true } }));
    session.changed("a");
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    await new Promise<void>((resolve) => setImmediate(resolve));
    session.close();
    await speaking;
    assert.deepEqual(said, ["begin", "digest"]);
    assert.equal(refused[0]?.refusal.reason, reason);
  });
}

test("contents arrive as they were sent, are part of the hash, and are printed by nothing", () => {
  const sent = wish("a", 4);
  const heard = wishFromMessage(toPb(sent));
  assert.deepEqual(Buffer.from(heard.attachments?.[0]?.content.reveal().key ?? "").toString(), "xxxx");
  assert.equal(heard.attachments?.[0]?.type, "Opaque");
  for (const text of [
    inspect(heard, { depth: 9, showHidden: true }),
    JSON.stringify(heard),
    `${heard.attachments?.[0]?.content}`,
  ]) {
    assert.doesNotMatch(text, /xxxx|78 78|120/);
  }
  const plain = { namespace: "shop", name: "web", spec: "{}" };
  assert.notEqual(hashWish({ ...plain, attached: "1" }), hashWish({ ...plain, attached: "2" }));
  assert.notEqual(hashWish({ ...plain, attached: "1" }), hashWish(plain));
});

function toPb(one: Wish) {
  const { message } = request({ case: "wish", value: wishToMessage(one) });
  if (message.case !== "wish") throw new Error("It is a wish.");
  return message.value;
}
