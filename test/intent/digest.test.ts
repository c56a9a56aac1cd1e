import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DigestReader, pages, toSay, toShow } from "../../src/intent/digest.ts";
import { hashWish } from "../../src/intent/hash.ts";
import { Outbox } from "../../src/intent/outbox.ts";

const head = (uid: string, hash = "h", generation = 1) => ({ uid, hash, generation });

test("a digest that is cut into pages and read again is the same, and only its last page is complete", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 9 }),
      (uids, size) => {
        const reader = new DigestReader();
        const ends = [
          ...pages(
            uids.map((uid) => head(uid)),
            size,
          ),
        ].map((page) => reader.add(page));
        assert.deepEqual([...reader.entries.keys()], uids);
        assert.ok(ends.every((isEnd, index) => isEnd === (index === ends.length - 1)));
      },
    ),
  );
});

test("a digest beyond the bound, or that goes on after its end, is refused", () => {
  const reader = new DigestReader(2);
  assert.throws(() => reader.add({ entries: ["a", "b", "c"].map((uid) => head(uid)), complete: false }), /more than 2/);
  const ended = new DigestReader();
  ended.add({ entries: [], complete: true });
  assert.throws(() => ended.add({ entries: [], complete: true }), /after the last/);
});

test("an origin says what the host lacks or holds differently, whatever the generations, and every deletion", () => {
  const wished = [
    { ...head("same"), deleted: false },
    { ...head("older", "new", 1), deleted: false },
    { ...head("missing"), deleted: false },
    { ...head("deleted"), deleted: true },
  ];
  const held = new Map(
    [head("same"), head("older", "old", 9), head("deleted"), head("stranger")].map((one) => [one.uid, one]),
  );
  const { say, equal } = toSay(wished, held);
  assert.deepEqual(say, ["older", "missing", "deleted"]);
  assert.deepEqual(
    equal.map(({ uid }) => uid),
    ["same"],
  );
});

test("a host shows what is as wished, and calls orphans what no digest names; it deletes nothing", () => {
  const wished = new Map([head("same"), head("changed", "new")].map((one) => [one.uid, one]));
  const shown = toShow([head("same"), head("changed", "old"), head("stranger")], wished);
  assert.deepEqual(shown, { current: ["same"], orphans: ["stranger"] });
});

test("the order of keys and the spacing of a spec do not make another wish, and everything else does", () => {
  const at = { namespace: "a", name: "b" };
  const hash = hashWish({ ...at, spec: '{"image":"x","env":[{"name":"A","value":"1"}],"10":1,"9":2}' });
  assert.equal(hashWish({ ...at, spec: '{ "9": 2, "env":[{"value":"1","name":"A"}], "image":"x", "10":1 }' }), hash);
  assert.notEqual(
    hashWish({ ...at, name: "c", spec: '{"image":"x","env":[{"name":"A","value":"1"}],"10":1,"9":2}' }),
    hash,
  );
  assert.notEqual(hashWish({ ...at, spec: '{"image":"x","env":[{"name":"A","value":1}],"10":1,"9":2}' }), hash);
  assert.notEqual(hashWish({ ...at, spec: "[1,2]" }), hashWish({ ...at, spec: "[2,1]" }));
});

test("a hundred changes of one object wait as one, and closing ends the wait at once", async () => {
  const outbox = new Outbox();
  for (let index = 0; index < 100; index += 1) outbox.add("a");
  outbox.add("b");
  assert.equal(outbox.size, 2);
  const taken: string[] = [];
  const reading = (async () => {
    for await (const key of outbox.take()) taken.push(key);
  })();
  await new Promise(setImmediate);
  outbox.add("a");
  await new Promise(setImmediate);
  outbox.close(new Error("over"));
  await assert.rejects(reading, /over/);
  assert.deepEqual(taken, ["a", "b", "a"]);
});
