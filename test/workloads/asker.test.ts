/** Asking peers whether they would run an app: seldom, ever more seldom, and only about what is asked for now. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { CheckResponseSchema } from "../../src/gen/fairlead/peer/v1/workload_pb.ts";
import { createAsker } from "../../src/workloads/origin/asker.ts";
import { readHostStatus } from "../../src/workloads/origin/host-status.ts";
import { createFakeClock } from "../base/fake-clock.ts";

type Answer = MessageInitShape<typeof CheckResponseSchema> | Error;

const minute = 60_000;

function openAsker(answers: Record<string, Answer> = {}) {
  const clock = createFakeClock();
  const asked: { peer: string; spec: string; at: number }[] = [];
  const news: string[] = [];
  const asker = createAsker({
    async check(peer, spec) {
      asked.push({ peer, spec, at: clock.monotonic() });
      const answer = answers[peer] ?? {};
      if (answer instanceof Error) throw answer;
      return create(CheckResponseSchema, answer);
    },
    onAnswers: (key) => news.push(key),
    clock,
  });
  const app = (hash: string) => ({ key: "shop/web", uid: "u-1", hash, spec: `spec of ${hash}` });
  return { asker, asked, news, clock, answers, app };
}

test("what each peer answers is known for the wish that it was asked about, and for ten minutes", async (t) => {
  const answers = { runs: { admitted: true }, holds: { held: true }, refuses: {}, fails: new Error("no link") };
  const { asker, asked, news, clock, app } = openAsker(answers);
  t.after(() => asker.close());
  asker.ask(app("one"), Object.keys(answers));
  await clock.advance(0);
  const known = (hash: string): unknown[] => Object.keys(answers).map((peer) => asker.would("u-1", hash, peer));
  assert.deepEqual(known("one"), ["run", "hold", "refuse", undefined]);
  assert.deepEqual(known("two"), [undefined, undefined, undefined, undefined], "that is another wish");
  assert.equal(asker.would("u-2", "one", "runs"), undefined, "and that another app");
  assert.deepEqual(news, ["shop/web"]);
  assert.deepEqual(new Set(asked.map(({ spec }) => spec)), new Set(["spec of one"]));
  await clock.advance(10 * minute - 1);
  assert.equal(asker.would("u-1", "one", "runs"), "run");
  await clock.advance(1);
  assert.equal(asker.would("u-1", "one", "runs"), undefined, "rules change without anybody telling");
});

test("one app is asked about once a minute at most, then ever more seldom, and anew after an edit", async (t) => {
  const { asker, asked, clock, app } = openAsker();
  t.after(() => asker.close());
  const times = (): number[] => asked.map(({ at }) => at / minute);
  for (let second = 0; second < 3600; second += 10) {
    asker.ask(app("one"), ["kyoto"]);
    await clock.advance(10_000);
  }
  assert.deepEqual(times(), [0, 1, 3, 7, 15, 25, 35, 45, 55]);
  asked.length = 0;
  for (let edit = 0; edit < 30; edit += 1) {
    asker.ask(app(`edit ${edit}`), ["kyoto"]);
    await clock.advance(10_000);
  }
  const [first, ...later] = times();
  assert.ok(first !== undefined && first <= 65, "not before it was its turn");
  assert.deepEqual(
    later.map((at) => at >= first + 1),
    later.map(() => true),
    "edits make nobody ask more often",
  );
  assert.ok(asked.every(({ spec }) => spec !== "spec of one"));
});

test("nobody is asked for nothing, and an app that is gone is not asked about any more", async (t) => {
  const { asker, asked, clock, app } = openAsker({ kyoto: { admitted: true } });
  t.after(() => asker.close());
  asker.ask(app("one"), []);
  await clock.advance(minute);
  assert.deepEqual(asked, []);
  asker.ask(app("one"), ["kyoto"]);
  await clock.advance(0);
  asker.ask(app("one"), ["nara"]);
  asker.forget("u-1");
  await clock.advance(10 * minute);
  assert.deepEqual(
    asked.map(({ peer }) => peer),
    ["kyoto"],
  );
  assert.equal(asker.would("u-1", "one", "kyoto"), undefined);
});

test("what a holder did with the wish is its answer, and that it failed is none", async (t) => {
  const { asker } = openAsker();
  t.after(() => asker.close());
  const did = (peer: string, status: string): void =>
    asker.note("u-1", { peer, state: { generation: 1, hash: "one", status: readHostStatus(status), at: 0 } });
  did("runs", '{"phase":"Ready"}');
  did("holds", '{"phase":"Held","admission":{"verdict":"Held"}}');
  did("denies", '{"phase":"Ready","admission":{"verdict":"Denied"}}');
  const refused = (reason: string) => ({
    peer: reason,
    refused: { hash: "one", refusal: { reason, message: "", violations: [] } },
  });
  asker.note("u-1", refused("Denied"));
  asker.note("u-1", refused("Failing"));
  assert.deepEqual(
    ["runs", "holds", "denies", "Denied", "Failing"].map((peer) => asker.would("u-1", "one", peer)),
    ["run", "hold", "refuse", "refuse", undefined],
  );
});
