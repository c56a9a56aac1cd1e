/** Where an app runs that says which peers may have it: two real clusters and the sandbox, of which one leaves and one is lost. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "../../src/kube/object.ts";
import { images } from "./borrowing.ts";
import { openThreeHosts, type ThreeHosts } from "./three-hosts.ts";
import { until } from "./until.ts";

let t: ThreeHosts;
let [east, west, small] = ["", "", ""];
before(
  async () => {
    t = await openThreeHosts();
    [east, west, small] = t.hosts;
    await t.join(east, { tier: "prod", coast: "right", db: "yes" });
    await t.join(west, { tier: "prod", coast: "left" });
    await t.join(small, { tier: "test", coast: "left" });
  },
  { timeout: 240_000 },
);
after(() => t?.close(), { timeout: 180_000 });

const shell = {
  image: images.shell,
  command: ["sh", "-c", "echo here I am; trap 'exit 0' TERM; while :; do sleep 1; done"],
  terminationGracePeriodSeconds: 5,
};
const tier = (value: string): JsonObject => ({ matchLabels: { tier: value } });

test("labels and facts of peers choose where an app runs, and its status tells of each", {
  timeout: 300_000,
}, async () => {
  await t.apply("many", { ...shell, replicas: 2, placement: { selector: tier("prod"), count: 0 } });
  const versions = await t.facts("kubernetes");
  const version = versions[east] ?? "";
  const alike = t.hosts.filter((host) => versions[host] === version);
  assert.ok(
    version !== "" && !alike.includes(small),
    `the sandbox is told apart by its version: ${JSON.stringify(versions)}`,
  );
  await t.apply("versioned", { ...shell, placement: { facts: { kubernetes: version }, count: 0 } });
  await t.apply("coasts", { ...shell, placement: { count: 2, spread: "coast" } });
  const many = await t.readyAt("many", [east, west]);
  assert.equal(many.readyReplicas, 4);
  assert.deepEqual(
    many.peers.map(({ peer, readyReplicas, desiredReplicas, phase }) => [peer, readyReplicas, desiredReplicas, phase]),
    [east, west].map((peer) => [peer, 2, 2, "Ready"]),
  );
  assert.deepEqual(many.pods.map(({ peer }) => peer).sort(), [east, east, west, west]);
  await t.readyAt("versioned", alike);
  const spread = await until("one runs at each coast", async () => {
    const { phase, peers } = await t.status("coasts");
    return phase === "Ready" && peers.map(({ peer }) => peer);
  });
  assert.ok(spread.length === 2 && spread.includes(east), `${spread} is not one of each coast`);
  assert.equal(await t.copies.most("many"), 2, "what watches the hosts sees what is at two of them");
});

test("when its peer is removed, an app ends there before another has it", { timeout: 300_000 }, async () => {
  await t.apply("db", { ...shell, placement: { selector: { matchLabels: { db: "yes" } } } });
  await t.readyAt("db", [east]);
  await t.cli("peer", "label", west, "db=yes");
  await t.readyAt("db", [east]);
  await t.cli("peer", "remove", east, "--keep-workloads");
  await t.readyAt("db", [west]);
  await t.readyAt("many", [west]);
  assert.deepEqual(t.copies.at("db"), [west]);
  assert.equal(await t.copies.most("db"), 1, t.copies.story.join("\n"));
});

test("when its peer is lost, an app has ended there by itself before another has it", {
  timeout: 300_000,
}, async () => {
  const lone = (selector: JsonObject): Promise<void> =>
    t.apply("lone", { ...shell, placement: { selector, move: "Unreachable", unreachableSeconds: 30 } });
  await lone({
    matchExpressions: [
      { key: "coast", operator: "In", values: ["left"] },
      { key: "tier", operator: "NotIn", values: ["test"] },
    ],
  });
  await t.readyAt("lone", [west]);
  await lone({ matchLabels: { coast: "left" } });
  await t.readyAt("lone", [west]);
  t.way.shut();
  // It ends there although nobody can tell it to.
  await until("it runs nowhere", async () => t.copies.at("lone").length === 0, {
    seconds: 90,
    seen: () => t.copies.story,
  });
  const lost = await until("it runs in the sandbox", async () => t.copies.at("lone").length > 0 && t.status("lone"), {
    seconds: 90,
    seen: () => t.copies.story,
  });
  assert.deepEqual(t.copies.at("lone"), [small], JSON.stringify(lost.peers));
  // What may not move waits for its peer.
  assert.equal((await t.status("db")).phase, "Unknown");
  t.way.open();
  await t.readyAt("lone", [small]);
  await t.readyAt("db", [west]);
  for (const app of ["lone", "db"]) assert.equal(await t.copies.most(app), 1, t.copies.story.join("\n"));
});

test("an app that is deleted is gone everywhere", { timeout: 180_000 }, async () => {
  const apps = ["many", "versioned", "coasts", "db", "lone"];
  await t.cli("app", "delete", ...apps, "--wait");
  assert.deepEqual(
    apps.flatMap((app) => t.copies.at(app)),
    [],
  );
});
