import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { PeerStatusSchema } from "../../src/gen/fairlead/resources/v1alpha1/peer_pb.ts";
import type { ListOptions } from "../../src/kube/client.ts";
import { isAlreadyExists, isConflict, isExpired, isNotFound, KubeError } from "../../src/kube/errors.ts";
import { createReflector } from "../../src/kube/reflector.ts";
import { configMaps, deployments, peers, secrets } from "../../src/kube/resources.ts";
import { encodeData } from "../../src/kube/secret-data.ts";
import { openStateDirectory, type StateDirectory } from "../../src/standalone/directory.ts";
import { openJournal } from "../../src/standalone/journal.ts";
import { createObjectStore } from "../../src/standalone/object-store.ts";
import { until } from "../patience.ts";
import { createFaultyDisk } from "./faulty-file.ts";

const namespace = "fairlead";
const { signal } = new AbortController();

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function open(t: TestContext, path: string): Promise<StateDirectory> {
  const directory = await openStateDirectory(path, { clock: systemClock, log: silentLog });
  t.after(() => directory.close());
  return directory;
}

/** On a disk that keeps nothing through a crash, which is a thousand times faster, and can be made full. */
async function openFast(t: TestContext, onWrite: (error: Error | undefined) => void) {
  const disk = createFaultyDisk({ syncs: false });
  const { openFile } = disk;
  const journal = await openJournal({ path: join(await folder(t), "journal"), openFile, onTrouble: () => undefined });
  t.after(() => journal.close());
  return { client: createObjectStore({ journal, onWrite, clock: systemClock }), disk };
}

const west = peers.parse({
  metadata: { namespace, name: "west", labels: { region: "eu" } },
  spec: { fingerprint: "ab", url: "wss://west" },
});

test("an object is made once, replaced only by who has read it, and deleted only as the one that is meant", async (t) => {
  const { client } = await open(t, await folder(t));
  const made = await client.create(peers, west, signal);
  assert.ok(made.metadata.uid);
  assert.equal(made.metadata.generation, 1);
  await assert.rejects(client.create(peers, west, signal), isAlreadyExists);
  const changed = await client.update(peers, { ...made, spec: { ...made.spec, url: "wss://other" } }, signal);
  assert.equal(changed.metadata.generation, 2);
  assert.equal(changed.metadata.uid, made.metadata.uid);
  await assert.rejects(client.update(peers, made, signal), isConflict);
  await assert.rejects(client.delete(peers, { namespace, name: "west" }, { uid: "another" }, signal), isConflict);
  await assert.rejects(client.update(peers, { ...changed, metadata: { namespace, name: "east" } }, signal), isNotFound);
  assert.equal(await client.delete(peers, { namespace, name: "west" }, { dryRun: true }, signal), true);
  assert.equal(await client.delete(peers, { namespace, name: "west" }, {}, signal), true);
  assert.equal(await client.delete(peers, { namespace, name: "west" }, {}, signal), false);
  assert.equal(await client.get(peers, { namespace, name: "west" }, signal), undefined);
});

test("of two who replace the same version at once one succeeds", async (t) => {
  const { client } = await open(t, await folder(t));
  const made = await client.create(peers, west, signal);
  const tries = ["a", "b", "c"].map((url) => client.update(peers, { ...made, spec: { ...made.spec, url } }, signal));
  const results = await Promise.allSettled(tries);
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  for (const result of results) if (result.status === "rejected") assert.ok(isConflict(result.reason));
});

test("a status is changed by its own verb alone, belongs to one object, and is not written when it is the same", async (t) => {
  const { client } = await open(t, await folder(t));
  const made = await client.create(peers, west, signal);
  const status = create(PeerStatusSchema, { version: "1.2.3" });
  const { uid } = made.metadata;
  const metadata = { namespace, name: "west", ...(uid && { uid }) };
  const told = await client.applyStatus(peers, { metadata, status }, {}, signal);
  assert.equal(told.status?.version, "1.2.3");
  assert.equal(told.metadata.generation, 1);
  const again = await client.applyStatus(peers, { metadata, status }, {}, signal);
  assert.equal(again.metadata.resourceVersion, told.metadata.resourceVersion);
  const changed = await client.update(peers, { ...told, spec: { ...told.spec, url: "wss://x" } }, signal);
  assert.equal(changed.status?.version, "1.2.3");
  await assert.rejects(
    client.applyStatus(peers, { metadata: { ...metadata, uid: "another" }, status }, {}, signal),
    isConflict,
  );
  await assert.rejects(
    client.applyStatus(peers, { metadata: { namespace, name: "east" }, status }, {}, signal),
    isNotFound,
  );
});

test("what is never changed is not", async (t) => {
  const { client } = await open(t, await folder(t));
  const metadata = { namespace, name: "identity" };
  const made = await client.create(secrets, { metadata, immutable: true, data: encodeData({ key: "1" }) }, signal);
  await assert.rejects(
    client.update(secrets, { ...made, data: encodeData({ key: "2" }) }, signal),
    (error) => error instanceof KubeError && error.reason === "Invalid",
  );
});

test("a watch tells each change once, in order, also over what a reader had not read yet", async (t) => {
  const { client } = await open(t, await folder(t));
  const start = (await client.list(peers, { namespace }, signal)).resourceVersion;
  const made = await client.create(peers, west, signal);
  await client.create(configMaps, { metadata: { namespace, name: "other" }, data: {} }, signal);
  const seen: string[] = [];
  const watching = new AbortController();
  const reading = (async () => {
    for await (const event of client.watch(peers, { namespace, resourceVersion: start }, watching.signal)) {
      if (event.type === "BOOKMARK") continue;
      seen.push(`${event.type} ${event.object.metadata.name} ${event.object.spec.url}`);
    }
  })();
  await until("the first event", () => seen.length === 1);
  await client.update(peers, { ...made, spec: { ...made.spec, url: "wss://b" } }, signal);
  await client.delete(peers, { namespace, name: "west" }, {}, signal);
  await until("all events", () => seen.length === 3);
  assert.deepEqual(seen, ["ADDED west wss://west", "MODIFIED west wss://b", "DELETED west wss://b"]);
  watching.abort(new Error("seen enough"));
  await assert.rejects(reading, /seen enough/);
});

test("who watches from too long ago is told to list again, and a reflector does", async (t) => {
  const { client } = await openFast(t, () => undefined);
  const reflector = createReflector({ client, kind: peers, namespace, clock: systemClock, log: silentLog });
  t.after(() => reflector.close());
  await reflector.synced(signal);
  const metadata = { namespace, name: "count" };
  let last = await client.create(configMaps, { metadata, data: {} }, signal);
  for (let count = 0; count < 1_001; count += 1) last = await client.update(configMaps, last, signal);
  await assert.rejects(async () => {
    for await (const event of client.watch(peers, { namespace, resourceVersion: "0" }, signal)) void event;
  }, isExpired);
  await client.create(peers, west, signal);
  await until("the reflector knows it", () => reflector.get(`${namespace}/west`) !== undefined);
});

test("a disk that took nothing is in trouble until something new is kept, whatever was the same meanwhile", async (t) => {
  const told: (string | undefined)[] = [];
  const { client, disk } = await openFast(t, (error) => told.push(error?.message));
  const made = await client.create(peers, west, signal);
  const { uid } = made.metadata;
  const same = { metadata: { namespace, name: "west", ...(uid && { uid }) }, status: create(PeerStatusSchema, {}) };
  await client.applyStatus(peers, same, {}, signal);
  disk.room = 0;
  await assert.rejects(client.create(configMaps, { metadata: { namespace, name: "new" }, data: {} }, signal), /ENOSPC/);
  await client.applyStatus(peers, same, {}, signal);
  assert.equal(await client.delete(peers, { namespace, name: "nobody" }, {}, signal), false);
  assert.deepEqual(told.slice(0, 2), [undefined, undefined]);
  assert.match(told[2] ?? "", /ENOSPC/);
  assert.equal(told.length, 3);
  disk.room = Number.POSITIVE_INFINITY;
  await client.create(configMaps, { metadata: { namespace, name: "new" }, data: {} }, signal);
  assert.deepEqual(told.slice(3), [undefined]);
});

test("lists are by namespace, labels and names, and what says it in another way is refused", async (t) => {
  const { client } = await open(t, await folder(t));
  await client.create(peers, west, signal);
  const named = async (options: ListOptions): Promise<(string | undefined)[]> =>
    (await client.list(peers, options, signal)).items.map(({ metadata }) => metadata.name);
  assert.deepEqual(await named({}), ["west"]);
  assert.deepEqual(await named({ namespace: "fair" }), []);
  assert.deepEqual(await named({ labelSelector: "region=eu" }), ["west"]);
  assert.deepEqual(await named({ labelSelector: "region=us" }), []);
  assert.deepEqual(await named({ labelSelector: "region" }), ["west"]);
  assert.deepEqual(await named({ labelSelector: "toString" }), []);
  assert.deepEqual(await named({ labelSelector: "region==eu, other" }), []);
  assert.deepEqual(await named({ fieldSelector: "metadata.name=west,metadata.namespace=fairlead" }), ["west"]);
  assert.deepEqual(await named({ fieldSelector: "metadata.name=east" }), []);
  for (const labelSelector of ["region!=us", "region in (eu)", "region notin (eu)", "!region", "region=eu,", "a=b=c"]) {
    await assert.rejects(named({ labelSelector }), /does not understand the selector/, labelSelector);
    const watching = client.watch(peers, { labelSelector }, signal)[Symbol.asyncIterator]();
    await assert.rejects(watching.next(), /does not understand the selector/, labelSelector);
  }
  for (const fieldSelector of ["metadata.uid=1", "spec.url=x", "metadata.name!=west", "metadata.name"]) {
    await assert.rejects(named({ fieldSelector }), /does not understand the selector/, fieldSelector);
  }
});

test("of what only a cluster has there is nothing, and nothing can be made", async (t) => {
  const { client } = await open(t, await folder(t));
  const ref = { namespace, name: "web" };
  assert.equal(await client.get(deployments, ref, signal), undefined);
  assert.deepEqual((await client.list(deployments, {}, signal)).items, []);
  assert.equal(await client.delete(deployments, ref, {}, signal), false);
  for (const attempt of [
    () => client.create(deployments, { metadata: ref }, signal),
    () => client.update(deployments, { metadata: ref }, signal),
    () => client.apply(deployments, { metadata: ref }, {}, signal),
    () => client.mergePatch(deployments, ref, {}, signal),
  ]) {
    await assert.rejects(attempt, /stands alone, in no cluster, and has no deployments/);
  }
});

test("all is there after a restart, and versions go on from where they were", async (t) => {
  const path = await folder(t);
  const before = await open(t, path);
  const made = await before.client.create(peers, west, signal);
  await before.close();
  const after = await open(t, path);
  const found = await after.client.get(peers, { namespace, name: "west" }, signal);
  assert.deepEqual(found, made);
  const changed = await after.client.update(peers, { ...made, spec: { ...made.spec, url: "wss://x" } }, signal);
  assert.ok(Number(changed.metadata.resourceVersion) > Number(made.metadata.resourceVersion));
});
