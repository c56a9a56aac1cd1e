import assert from "node:assert/strict";
import { test } from "node:test";
import { PendingDials } from "../../src/tunnel/pending.ts";

const target = { kind: "app" as const, namespace: "shop", name: "web" };

test("a target of a peer waits once, since it was asked for first", () => {
  const dials = new PendingDials();
  dials.ask("f1", "app/shop/web", target, 1);
  dials.ask("f2", "app/shop/web", target, 2);
  const { since, lastAskedAt, count } = dials.ask("f1", "app/shop/web", target, 3);
  assert.deepEqual([since, lastAskedAt, count, dials.size], [1, 3, 2, 2]);
  dials.delete("f1", "app/shop/web");
  dials.delete("f1", "app/shop/web");
  assert.deepEqual(
    dials.list().map(({ fingerprint }) => fingerprint),
    ["f2"],
  );
  assert.equal(dials.get("f1", "app/shop/web"), undefined);
});

test("of one peer 32 wait, in all 1,024, and where there is no room the oldest goes", () => {
  const dials = new PendingDials();
  for (let count = 0; count < 100; count += 1) dials.ask("greedy", `t${count}`, target, count);
  assert.equal(dials.size, 32);
  assert.equal(dials.get("greedy", "t67"), undefined);
  assert.ok(dials.get("greedy", "t68"));
  for (let peer = 0; peer < 100; peer += 1) {
    for (let count = 0; count < 20; count += 1) dials.ask(`p${peer}`, `t${count}`, target, 1_000 + peer);
  }
  assert.equal(dials.size, 1_024);
  assert.equal(dials.list().length, 1_024);
  assert.equal(dials.get("greedy", "t99"), undefined, "the oldest of all went first");
  assert.ok(dials.get("p99", "t0"));
  dials.ask("p99", "t0", target, 5_000);
  assert.equal(dials.size, 1_024, "who asks again takes no more room");
});

test("who listens hears what begins to wait and what waits no longer, not who asks again", () => {
  const dials = new PendingDials();
  let heard = 0;
  const end = dials.subscribe(() => {
    heard += 1;
  });
  dials.ask("f1", "app/shop/web", target, 1);
  dials.ask("f1", "app/shop/web", target, 2);
  assert.equal(heard, 1);
  dials.delete("f1", "app/shop/web");
  dials.delete("f1", "app/shop/web");
  assert.equal(heard, 2);
  end();
  dials.ask("f1", "app/shop/web", target, 3);
  assert.equal(heard, 2);
});
