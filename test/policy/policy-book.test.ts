import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { PeerPolicy } from "../../src/kube/resources.ts";
import { type BookPeer, createPolicyBook } from "../../src/policy/policy-book.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { createFakePolicies, type FakePolicies, policyNames } from "./fake-policies.ts";

const [tokyo, paris] = ["a".repeat(64), "b".repeat(64)];
const signal = new AbortController().signal;

function setUp(
  t: TestContext,
  o: { fault?: Error; fake?: FakePolicies; startMs?: number; spoil?: (policy: PeerPolicy) => void } = {},
) {
  const clock = createFakeClock(o.startMs);
  const fake = o.fake ?? createFakePolicies(o.spoil);
  fake.fault = o.fault;
  const listeners = new Set<(fingerprint: string) => void>();
  const peers: BookPeer[] = [
    { name: "tokyo", labels: { region: "asia" }, fingerprint: tokyo },
    { name: "paris", labels: {}, fingerprint: paris },
  ];
  const book = createPolicyBook({
    client: fake.client,
    namespace: "fairlead",
    peers: {
      list: () => peers,
      subscribe(fn) {
        listeners.add(fn);
        return () => listeners.delete(fn);
      },
    },
    clock,
    log: silentLog,
  });
  const news: string[] = [];
  book.subscribe((fingerprint) => news.push(fingerprint));
  t.after(() => book.close());
  return {
    clock,
    fake,
    book,
    news,
    peers,
    tellPeers: (fingerprint: string) => {
      for (const listener of listeners) listener(fingerprint);
    },
    /** Forgets the news so far. */
    async settle(): Promise<string[]> {
      await clock.advance(0);
      return news.splice(0);
    },
  };
}

test("before the policies are known nothing is admitted, and the reason is told", async (t) => {
  const fault = new KubeError({ status: 500, reason: "InternalError", message: "no" });
  const { book, fake, clock } = setUp(t, { fault });
  fake.put("all", { workloads: { accept: true } });
  await clock.advance(60_000);
  const policy = book.of(tokyo);
  assert.equal(policy?.accept, false);
  assert.deepEqual(policy?.pods, { logs: false, exec: false, files: false });
  assert.match(policy?.problems[0] ?? "", /not known yet/);
  fake.fault = undefined;
  await clock.advance(60_000);
  await book.synced(signal);
  await clock.advance(0);
  assert.equal(book.of(tokyo)?.accept, true);
});

test("a cluster without any policy is known to have none", async (t) => {
  const { book, settle } = setUp(t);
  await book.synced(signal);
  assert.deepEqual((await settle()).sort(), [tokyo, paris]);
  assert.deepEqual(book.of(tokyo)?.problems, []);
  assert.equal(book.of(tokyo)?.accept, false);
  assert.equal(book.of("c".repeat(64)), undefined, "no such peer");
});

test("a change is told for exactly the peers for whom something changed", async (t) => {
  const { book, fake, settle } = setUp(t);
  await book.synced(signal);
  await settle();
  fake.put("all", { workloads: { accept: true } });
  assert.deepEqual((await settle()).sort(), [tokyo, paris]);
  fake.put("asia", { peers: { matchLabels: { region: "asia" } }, workloads: { maxApps: 3 } });
  assert.deepEqual(await settle(), [tokyo]);
  assert.equal(book.of(tokyo)?.maxApps, 3);
  assert.equal(book.of(paris)?.maxApps, undefined);
  fake.put("asia", { peers: { matchLabels: { region: "asia" } }, workloads: { maxApps: 3 } });
  assert.deepEqual(await settle(), [], "the same again is no news");
  fake.put("nobody", { peers: { names: ["lima"] }, workloads: { accept: true } });
  assert.deepEqual(await settle(), [], "nor is what concerns nobody");
  fake.put("twin", { workloads: { accept: true } });
  assert.deepEqual(await settle(), [], "nor what says the same again");
  const accept = book.of(paris)?.values.find(({ path }) => path === "workloads.accept");
  assert.deepEqual(accept?.overruled, [{ policy: "twin", value: "true" }], "but it is explained");
  fake.remove("twin");
  fake.remove("asia");
  assert.deepEqual(await settle(), [tokyo]);
  assert.equal(book.of(tokyo)?.maxApps, undefined);
  assert.deepEqual(policyNames(book.list()), ["all", "nobody"]);
});

test("a peer that comes, goes or gets other labels has another policy, and that is told", async (t) => {
  const { book, fake, peers, settle, tellPeers } = setUp(t);
  fake.put("gold", { peers: { matchLabels: { tier: "gold" } }, workloads: { accept: true } });
  await book.synced(signal);
  await settle();
  peers[1] = { name: "paris", labels: { tier: "gold" }, fingerprint: paris };
  tellPeers(paris);
  assert.equal(book.of(paris)?.accept, true, "at once, whoever was told already");
  assert.deepEqual(await settle(), [paris]);
  peers.pop();
  tellPeers(paris);
  assert.deepEqual(await settle(), [paris]);
  assert.equal(book.of(paris), undefined);
});

test("an API server that fails takes no rule away and adds none", async (t) => {
  const { book, fake, clock, settle } = setUp(t);
  fake.put("all", { workloads: { accept: true, maxApps: 2 } });
  await book.synced(signal);
  await settle();
  fake.fault = new KubeError({ status: 503, reason: "ServiceUnavailable", message: "no" });
  fake.cut(fake.fault);
  fake.put("all", { workloads: { accept: true, maxApps: 1 } });
  await clock.advance(300_000);
  assert.equal(book.of(tokyo)?.maxApps, 2);
  fake.fault = undefined;
  await clock.advance(60_000);
  assert.equal(book.of(tokyo)?.maxApps, 1);
});

test("a policy's status names the peers that it selects, and says when it cannot be understood and why", async (t) => {
  const { book, fake, clock } = setUp(t);
  fake.put("all", { workloads: { accept: true } });
  fake.put("odd", { peers: { names: ["tokyo"] }, workloads: { quota: { pods: "many" } } });
  await book.synced(signal);
  await clock.advance(2_000);
  const status = (name: string) => fake.written.filter((one) => one.name === name).at(-1)?.status;
  assert.deepEqual(status("all"), {
    observedGeneration: 2,
    peers: ["paris", "tokyo"],
    conditions: [
      {
        type: "Valid",
        status: "True",
        observedGeneration: 2,
        lastTransitionTime: "2026-01-01T00:00:00Z",
        reason: "Understood",
        message: "",
      },
    ],
  });
  const odd = JSON.stringify(status("odd"));
  assert.match(odd, /"peers":\["tokyo"\]/);
  assert.match(odd, /"status":"False".*"reason":"NotUnderstood".*quota\[pods\]: \\"many\\" is no quantity/s);
  const before = fake.written.length;
  await clock.advance(60_000);
  assert.equal(fake.written.length, before, "nothing is written while nothing changes");
});

test("a status that is stored already is not written again when an agent starts", async (t) => {
  const { book, fake, clock } = setUp(t);
  fake.put("all", { workloads: { accept: true } });
  await book.synced(signal);
  await clock.advance(2_000);
  const [first] = fake.written;
  assert.ok(first && fake.written.length === 1);
  fake.store("all", first.status);
  await book.close();
  const next = setUp(t, { fake, startMs: Date.UTC(2027, 0, 1) });
  await next.book.synced(signal);
  await next.clock.advance(90_000);
  assert.equal(fake.written.length, 1);
});

test("a policy that breaks the reading of policies closes everything, and is not left out", async (t) => {
  const { book, fake } = setUp(t, {
    spoil(policy) {
      if (policy.metadata.name !== "odd") return;
      Object.defineProperty(policy.spec, "workloads", {
        get() {
          throw new Error("a defect");
        },
      });
    },
  });
  fake.put("all", { workloads: { accept: true } });
  fake.put("odd", { peers: { names: ["paris"] } });
  await book.synced(signal);
  assert.equal(book.of(tokyo)?.accept, false);
  assert.match(book.of(tokyo)?.problems[0] ?? "", /PeerPolicy odd cannot be understood: spec: a defect/);
});

test("one listener's defect keeps the news from no other", async (t) => {
  const { book, fake, clock } = setUp(t);
  await book.synced(signal);
  await clock.advance(0);
  const heard: string[] = [];
  book.subscribe(() => {
    throw new Error("a defect");
  });
  const end = book.subscribe((fingerprint) => heard.push(fingerprint));
  fake.put("all", { workloads: { accept: true } });
  await clock.advance(0);
  assert.equal(heard.length, 2);
  end();
  fake.remove("all");
  await clock.advance(0);
  assert.equal(heard.length, 2);
});

test("a closed book leaves no timer behind and tells nothing more", async (t) => {
  const { book, fake, clock, news } = setUp(t);
  await book.synced(signal);
  await clock.advance(5_000);
  await book.close();
  const before = news.length;
  fake.put("all", { workloads: { accept: true } });
  await clock.advance(5_000);
  assert.equal(news.length, before);
  assert.equal(clock.timers, 0);
});
