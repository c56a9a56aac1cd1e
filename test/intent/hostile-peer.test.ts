/** What a peer may say to hurt: whatever it is ends its conversation, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toBinary } from "@bufbuild/protobuf";
import { silentLog } from "../../src/base/log.ts";
import { type SyncResponse, SyncResponseSchema } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { createHostSession } from "../../src/intent/host-session.ts";
import { request, requestFault, response, responseFault } from "../../src/intent/messages.ts";
import { maxMessageBytes } from "../../src/rpc/message.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { FakeStore, roomy } from "./fake-store.ts";

test("a digest that comes when too much is under way ends the conversation, and not the process", async () => {
  const host = createHostSession({
    pending: roomy(),
    store: new FakeStore(),
    clock: createFakeClock(),
    log: silentLog,
    limits: { objects: 10 },
  });
  const ended = (async () => {
    for await (const _ of host.responses()) {
      // Only the end is of interest.
    }
  })();
  for (let i = 0; i < 20; i += 1) host.receive(request({ case: "tombstone", value: { uid: `t${i}` } }));
  const entries = [{ uid: "one-more", generation: 1n, hash: "h" }];
  host.receive(request({ case: "digest", value: { entries, complete: true } }));
  await assert.rejects(ended, /more than 20 objects/);
  await host.close();
});

test("a spec beyond the bound is refused, also when it was announced to the peer in vain", async () => {
  const store = new FakeStore();
  const clock = createFakeClock();
  const host = createHostSession({
    pending: roomy(),
    store,
    clock,
    log: silentLog,
    limits: { specBytes: 100 },
  });
  const said: string[] = [];
  const ended = (async () => {
    for await (const { message } of host.responses()) {
      if (message.case === "refusal") said.push(message.value.reason);
    }
  })();
  host.receive(request({ case: "digest", value: { entries: [], complete: true } }));
  const wish = { uid: "big", generation: 1n, namespace: "shop", name: "big", hash: "h", spec: "x".repeat(101) };
  host.receive(request({ case: "wish", value: wish }));
  for (let turn = 0; turn < 20 && said.length === 0; turn += 1) await clock.advance(1);
  assert.deepEqual(said, ["TooLarge"]);
  assert.deepEqual(store.asked, []);
  await host.close();
  await ended;
});

test("specs are held up to a sum of bytes, and what would go beyond is refused with the reason until there is room", async () => {
  const store = new FakeStore();
  const clock = createFakeClock();
  const host = createHostSession({
    pending: roomy(),
    store,
    clock,
    log: silentLog,
    limits: { heldBytes: 100 },
  });
  const said: string[] = [];
  const ended = (async () => {
    for await (const { message } of host.responses()) {
      if (message.case === "refusal")
        said.push(`${message.value.uid} ${message.value.generation} ${message.value.reason}`);
      if (message.case === "state") said.push(`${message.value.uid} ${message.value.generation}`);
    }
  })();
  host.receive(request({ case: "digest", value: { entries: [], complete: true } }));
  const wish = async (uid: string, generation: number, bytes: number): Promise<string[]> => {
    const spec = "x".repeat(bytes);
    const value = { uid, generation: BigInt(generation), namespace: "shop", name: uid, hash: `${generation}`, spec };
    host.receive(request({ case: "wish", value }));
    for (let turn = 0; turn < 20 && said.length === 0; turn += 1) await clock.advance(1);
    return said.splice(0);
  };
  assert.deepEqual(await wish("a", 1, 60), ["a 1"]);
  assert.deepEqual(await wish("b", 1, 41), ["b 1 TooMany"]);
  assert.deepEqual(await wish("a", 2, 61), ["a 2"]);
  assert.deepEqual(await wish("b", 2, 39), ["b 2"]);
  assert.deepEqual(await wish("a", 3, 62), ["a 3 TooMany"]);
  assert.deepEqual(await wish("a", 4, 50), ["a 4"]);
  await host.close();
  await ended;
});

test("a list of orphans fits into one message, however long their specs are", async () => {
  const store = new FakeStore();
  const spec = JSON.stringify({ image: "€".repeat(80_000) });
  for (let i = 0; i < 40; i += 1) {
    const orphan = { uid: `u${i}`, generation: 1, namespace: "shop", name: `a${i}`, spec, hash: "h", status: "{}" };
    store.set({ ...orphan, orphanedSince: "2026-01-01T00:00:00Z" });
  }
  const clock = createFakeClock();
  const host = createHostSession({
    pending: roomy(),
    store,
    clock,
    log: silentLog,
  });
  let list: SyncResponse | undefined;
  const ended = (async () => {
    for await (const answer of host.responses()) if (answer.message.case === "orphans") list = answer;
  })();
  host.receive(request({ case: "digest", value: { entries: [], complete: true } }));
  for (let turn = 0; turn < 20 && list === undefined; turn += 1) await clock.advance(1);
  assert.ok(list?.message.case === "orphans" && list.message.value.truncated);
  assert.ok(list.message.value.orphans.length > 1);
  assert.ok(toBinary(SyncResponseSchema, list).length < maxMessageBytes);
  await host.close();
  await ended;
});

test("a page with endless entries is refused before any of them is judged", () => {
  // Each entry breaks a rule by itself, of which the answer would tell if it had been looked at.
  const entries = Array.from({ length: 501 }, () => ({ uid: "not a uid", generation: -1n, hash: "" }));
  assert.match(requestFault(request({ case: "digest", value: { entries } })) ?? "", /^a list has more than 500/);
  const uids = Array.from({ length: 501 }, () => "u");
  assert.match(responseFault(response({ case: "need", value: { uids } })) ?? "", /^a list has more than 500/);
});

test("a generation that cannot be kept is refused, and one that no number holds ends the conversation", async () => {
  const clock = createFakeClock();
  const store = new FakeStore();
  const host = createHostSession({
    pending: roomy(),
    store,
    clock,
    log: silentLog,
  });
  const refused: string[] = [];
  const ended = (async () => {
    for await (const { message } of host.responses()) {
      if (message.case === "refusal") refused.push(`${message.value.generation} ${message.value.reason}`);
    }
  })();
  host.receive(request({ case: "digest", value: { entries: [], complete: true } }));
  const wish = (generation: bigint) =>
    request({ case: "wish", value: { uid: "a", generation, namespace: "shop", name: "a", hash: "h", spec: "{}" } });
  host.receive(wish(2n ** 31n));
  for (let turn = 0; turn < 20 && refused.length === 0; turn += 1) await clock.advance(1);
  assert.deepEqual(refused, ["2147483648 Invalid"]);
  assert.equal(store.count(), 0);
  assert.throws(() => host.receive(wish(2n ** 53n)), RangeError);
  assert.throws(() => host.receive(wish(2n ** 63n - 1n)), RangeError);
  await host.close();
  await ended;
});
