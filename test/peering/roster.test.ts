import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Peer } from "../../src/peering/peer.ts";
import { createRoster, type Roster, type RosterChange } from "../../src/peering/roster.ts";
import { patience, until } from "../patience.ts";
import { createMemoryPeerStore, type MemoryPeerStore } from "./memory-stores.ts";

function peer(name: string, fingerprint = name): Peer {
  return { name, fingerprint, caPem: "pem", labels: {}, grants: [] };
}

function rig(): { roster: Roster; store: MemoryPeerStore; changes: string[] } {
  const store = createMemoryPeerStore();
  const roster = createRoster({ store, clock: systemClock, log: silentLog });
  const changes: string[] = [];
  roster.subscribe((change) => changes.push(tellChange(change)));
  return { roster, store, changes };
}

function tellChange({ name, before, after }: RosterChange): string {
  return `${before ? (after ? "~" : "-") : "+"}${name}`;
}

test("who adds a peer finds it at once, and each change is told once", async () => {
  const { roster, store, changes } = rig();
  await roster.add(peer("berlin"), {}, patience());
  assert.equal(roster.get("berlin")?.name, "berlin");
  assert.equal(roster.byFingerprint("berlin")?.name, "berlin");
  await roster.update("berlin", (known) => ({ ...known, grants: ["apps"] }), patience());
  await roster.update("berlin", (known) => ({ ...known, name: "other" }), patience());
  assert.equal(roster.get("berlin")?.grants[0], "apps", "a peer keeps its name");
  await roster.remove("berlin", { workloads: "Keep", forced: false }, patience());
  await roster.remove("berlin", { workloads: "Delete", forced: true }, patience());
  assert.equal(store.stored.get("berlin")?.removal?.workloads, "Keep", "the first removal stands");
  await new Promise((resolve) => setImmediate(resolve)); // The store's own news has come by then.
  assert.deepEqual(changes, ["+berlin", "~berlin", "-berlin"]);
  assert.deepEqual(roster.list(), []);
  assert.equal(roster.nameState("berlin"), "removed");
  assert.equal(roster.former("berlin")?.name, "berlin");
});

test("of two that add one name at once, one is told that it is taken", async () => {
  const { roster } = rig();
  const outcomes = await Promise.allSettled([
    roster.add(peer("berlin", "f1"), {}, patience()),
    roster.add(peer("berlin", "f2"), {}, patience()),
  ]);
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  assert.equal(refused.length, 1);
  assert.equal(refused[0]?.reason.code, "name-taken");
});

test("changes made at once are all made", async () => {
  const { roster } = rig();
  await roster.add(peer("berlin"), {}, patience());
  await Promise.all(
    ["a", "b", "c"].map((label) =>
      roster.update("berlin", (known) => ({ ...known, labels: { ...known.labels, [label]: "x" } }), patience()),
    ),
  );
  assert.deepEqual(Object.keys(roster.get("berlin")?.labels ?? {}).sort(), ["a", "b", "c"]);
});

test("of two records with one fingerprint the first by name counts, so that nobody has two sets of rights", async () => {
  const { roster, store, changes } = rig();
  await roster.add({ ...peer("zurich", "f"), grants: ["apps"] }, {}, patience());
  await store.put({ peer: peer("berlin", "f") }, undefined, patience());
  await until("the other counts", () => roster.byFingerprint("f")?.name === "berlin");
  assert.equal(roster.get("zurich"), undefined);
  assert.deepEqual(
    roster.list().map(({ name }) => name),
    ["berlin"],
  );
  store.delete("berlin");
  await until("the first counts again", () => roster.byFingerprint("f")?.name === "zurich");
  assert.deepEqual(changes, ["+zurich", "-zurich", "+berlin", "-berlin", "+zurich"]);
});

test("a record that never stops changing is given up, and a store that fails says so", async () => {
  const { roster, store } = rig();
  await roster.add(peer("berlin"), {}, patience());
  const { put } = store;
  store.put = async () => undefined;
  await assert.rejects(
    roster.update("berlin", (known) => known, patience()),
    { code: "conflict" },
  );
  store.put = put;
  store.beforePut = () => {
    throw new Error("no API server");
  };
  await assert.rejects(roster.remove("berlin", { workloads: "Keep", forced: false }, patience()), /no API server/);
  assert.ok(roster.get("berlin"));
  await assert.rejects(
    roster.update("nonesuch", (known) => known, patience()),
    { code: "not-found" },
  );
});

test("a listener that fails keeps nothing from the others", async () => {
  const { roster, changes } = rig();
  const later: string[] = [];
  roster.subscribe(() => {
    throw new Error("a defect");
  });
  roster.subscribe((change) => later.push(tellChange(change)));
  await roster.add(peer("berlin"), {}, patience());
  assert.deepEqual(later, ["+berlin"]);
  assert.deepEqual(changes, ["+berlin"]);
});
