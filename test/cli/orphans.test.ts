import assert from "node:assert/strict";
import { test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import type { Town } from "../../src/demo/town.ts";
import { Topic } from "../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { namespaces, workloads } from "../../src/kube/resources.ts";
import { fingerprintLabel, labels, peerNamespace } from "../../src/workloads/host/names.ts";
import { until } from "../patience.ts";
import { pair, run, startWorld, type World } from "./world.ts";

const namespace = peerNamespace("lisbon");
const never = new AbortController().signal;

test("a workload that its origin no longer knows is shown, goes on running, and is deleted when somebody says so", async () => {
  await using world = await startWorld();
  const { client } = world.berlin.kube;
  await loseApps(world, ["shop"]);
  const here = watchOrphans(world.berlin, Topic.ORPHANS);
  const there = watchOrphans(world.lisbon, Topic.ORPHANS_AT_PEERS);
  await pair(world, "apps");

  const path = `${namespace}/shop-0123456789`;
  const listed = await until("berlin lists it", async () => {
    const { out } = await run(world.berlin, ["orphan", "list"]);
    return out.includes("shop-0123456789") ? out : undefined;
  });
  assert.match(listed, /lisbon +default\/shop/);
  const lostThere = await until("lisbon is told of it", async () => {
    const { out } = await run(world.lisbon, ["orphan", "list", "--at-peers"]);
    return out.includes("uid-shop") ? out : undefined;
  });
  assert.match(lostThere, /berlin +uid-shop +default\/shop/, "the origin is told too");
  const known = `${namespace}/shop-0123456789`;
  await until("who watches hears of both", () => (here.has(known) && there.has("/berlin/uid-shop")) || undefined);
  assert.match((await run(world.lisbon, ["status"])).out, /no RemoteApp stands for.*default\/shop/s);
  const status = await run(world.berlin, ["status"]);
  assert.match(status.out, /no longer knows.*shop-0123456789/s);
  assert.doesNotMatch(status.out, /Nothing needs you/);
  assert.equal(
    (await client.get(workloads, { namespace, name: "shop-0123456789" }, never))?.metadata.deletionTimestamp,
    undefined,
  );

  assert.equal((await run(world.berlin, ["orphan", "delete", path])).out, `${path} deleted\n`);
  await until("it is gone", async () =>
    (await client.get(workloads, { namespace, name: "shop-0123456789" }, never)) ? undefined : true,
  );
  await until("who watches hears that both are gone", () => here.size + there.size === 0 || undefined);
  assert.equal((await run(world.berlin, ["orphan", "delete", path])).code, exitCode.notFound);
});

test("an origin that lost apps takes one over again, and has the peer delete the other", async () => {
  await using world = await startWorld();
  const { client } = world.berlin.kube;
  await loseApps(world, ["kept", "dropped"]);
  await pair(world, "apps");
  await until("lisbon is told of both", async () => {
    const { out } = await run(world.lisbon, ["orphan", "list", "--at-peers"]);
    return (out.includes("uid-kept") && out.includes("uid-dropped")) || undefined;
  });

  const adopted = await run(world.lisbon, ["orphan", "adopt", "uid-kept", "--at", "berlin"]);
  assert.equal(adopted.code, 0, adopted.err);
  const removed = await run(world.lisbon, ["orphan", "delete", "uid-dropped", "--at", "berlin"]);
  assert.equal(removed.code, 0, removed.err);
  await until("only the one that is kept is there", async () => {
    const { items } = await client.list(workloads, { namespace }, never);
    const names = items.map(({ metadata }) => metadata.name);
    return (names.length === 1 && names[0] === "kept-0123456789") || undefined;
  });
  const { out } = await run(world.lisbon, ["app", "get", "kept"]);
  assert.match(out, /kept +berlin/);
  assert.equal((await run(world.lisbon, ["orphan", "adopt", "uid-gone", "--at", "berlin"])).code, exitCode.notFound);
});

/** What there is of the topic, by "namespace/name", until the agent ends. */
function watchOrphans({ client }: Town, topic: Topic): ReadonlySet<string> {
  const known = new Set<string>();
  const watch = async (): Promise<void> => {
    for await (const { changes } of client.watch.watch({ topics: [{ topic }] })) {
      for (const { namespace: where, name, gone } of changes) {
        if (gone) known.delete(`${where}/${name}`);
        else known.add(`${where}/${name}`);
      }
    }
  };
  void watch().catch(() => undefined);
  return known;
}

/** As if lisbon had been put back to a backup from before these apps, which berlin runs for it. */
async function loseApps({ lisbon, berlin }: World, names: readonly string[]): Promise<void> {
  const { client } = berlin.kube;
  const { fingerprint } = lisbon.agent;
  const owner = {
    [labels.managedBy]: "fairlead",
    [labels.peer]: "lisbon",
    [labels.fingerprint]: fingerprintLabel(fingerprint),
  };
  await client.create(namespaces, { metadata: { name: namespace, labels: owner } }, never);
  for (const name of names) {
    const origin = { fingerprint, peer: "lisbon", namespace: "default", name, uid: `uid-${name}`, generation: 1 };
    const lost = workloads.parse({
      metadata: { name: `${name}-0123456789`, namespace },
      spec: { origin, app: { image: "a", replicas: 1 } },
    });
    await client.create(workloads, lost, never);
  }
}
