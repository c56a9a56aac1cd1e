import assert from "node:assert/strict";
import { test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { namespaces, workloads } from "../../src/kube/resources.ts";
import { fingerprintLabel, labels, peerNamespace } from "../../src/workloads/host/names.ts";
import { pair, run, startWorld } from "./world.ts";

const namespace = peerNamespace("lisbon");
const never = new AbortController().signal;

test("a workload that its origin no longer knows is shown, goes on running, and is deleted when somebody says so", async () => {
  await using world = await startWorld();
  const { client } = world.berlin.kube;
  // As if lisbon had been put back to a backup from before the app.
  const { fingerprint } = world.lisbon.agent;
  const owner = {
    [labels.managedBy]: "fairlead",
    [labels.peer]: "lisbon",
    [labels.fingerprint]: fingerprintLabel(fingerprint),
  };
  await client.create(namespaces, { metadata: { name: namespace, labels: owner } }, never);
  const origin = { fingerprint, peer: "lisbon", namespace: "default", name: "shop", uid: "u-1", generation: 1 };
  const lost = workloads.parse({
    metadata: { name: "shop-0123456789", namespace },
    spec: { origin, app: { image: "a", replicas: 1 } },
  });
  await client.create(workloads, lost, never);
  await pair(world, "apps");

  const path = `${namespace}/shop-0123456789`;
  const listed = await until(async () => {
    const { out } = await run(world.berlin, ["orphan", "list"]);
    return out.includes("shop-0123456789") ? out : undefined;
  });
  assert.match(listed, /lisbon +default\/shop/);
  const status = await run(world.berlin, ["status"]);
  assert.match(status.out, /no longer knows.*shop-0123456789/s);
  assert.doesNotMatch(status.out, /Nothing needs you/);
  assert.equal(
    (await client.get(workloads, { namespace, name: "shop-0123456789" }, never))?.metadata.deletionTimestamp,
    undefined,
  );

  assert.equal((await run(world.berlin, ["orphan", "delete", path])).out, `${path} deleted\n`);
  await until(async () =>
    (await client.get(workloads, { namespace, name: "shop-0123456789" }, never)) ? undefined : true,
  );
  assert.equal((await run(world.berlin, ["orphan", "delete", path])).code, exitCode.notFound);
});

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  const limit = AbortSignal.timeout(20_000);
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    limit.throwIfAborted();
  }
}
