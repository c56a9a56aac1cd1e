import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, eventually, type Json, mergePatch } from "./api.ts";
import type { Context } from "./suite.ts";

export function deletionTests(t: Context): void {
  const post = async (name: string, metadata: object = {}): Promise<Json> => {
    const { status, body } = await t.api.ask("POST", t.path("configmaps"), {
      body: { metadata: { name, ...metadata } },
    });
    assert.equal(status, 201, JSON.stringify(body));
    return body;
  };
  const get = (name: string): Promise<Answer> => t.api.ask("GET", t.path("configmaps", name));
  const gone = (name: string): Promise<Answer> =>
    eventually(
      () => get(name),
      ({ status }) => status === 404,
    );
  const owner = ({ metadata }: Json, extra: object = {}): object => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    name: metadata.name,
    uid: metadata.uid,
    ...extra,
  });

  test("a deletion answers Success and the object is gone", async () => {
    const made = await post(t.name());
    const { status, body } = await t.api.ask("DELETE", t.path("configmaps", made.metadata.name));
    assert.equal(status, 200);
    assert.deepEqual([body.kind, body.status, body.details.uid], ["Status", "Success", made.metadata.uid]);
    assert.equal((await get(made.metadata.name)).status, 404);
  });

  test("a deletion with another's uid is 409 and deletes nothing", async () => {
    const { metadata } = await post(t.name());
    const ask = (preconditions: object): Promise<Answer> =>
      t.api.ask("DELETE", t.path("configmaps", metadata.name), { body: { preconditions } });
    const { status, body } = await ask({ uid: "00000000-0000-0000-0000-000000000000" });
    assert.equal(status, 409);
    assert.equal(body.reason, "Conflict");
    assert.match(body.message, /the UID in the precondition \(00000000-.*\) does not match the UID in record/);
    assert.equal((await ask({ resourceVersion: "1" })).status, 409);
    assert.equal((await get(metadata.name)).status, 200);
    assert.equal((await ask({ uid: metadata.uid })).status, 200);
  });

  test("a finalizer holds a deleted object until it is taken away", async () => {
    const name = t.name();
    await post(name, { finalizers: ["fairlead.dev/test"] });
    const path = t.path("configmaps", name);
    const { body: marked } = await t.api.ask("DELETE", path);
    assert.equal(marked.kind, "ConfigMap");
    assert.ok(marked.metadata.deletionTimestamp);
    const again = await t.api.ask("DELETE", path);
    assert.equal(again.body.metadata.deletionTimestamp, marked.metadata.deletionTimestamp);
    const added = await t.api.ask("PATCH", path, {
      type: mergePatch,
      body: { metadata: { finalizers: ["fairlead.dev/test", "fairlead.dev/late"] } },
    });
    assert.equal(added.status, 422);
    const changed = await t.api.ask("PATCH", path, { type: mergePatch, body: { data: { still: "writable" } } });
    assert.equal(changed.status, 200);
    const freed = await t.api.ask("PATCH", path, { type: mergePatch, body: { metadata: { finalizers: null } } });
    assert.equal(freed.status, 200);
    assert.equal((await get(name)).status, 404);
  });

  test("a held object's watch sees MODIFIED, then DELETED", async () => {
    const name = t.name();
    const made = await post(name, { finalizers: ["fairlead.dev/test"] });
    const watch = await t.api.watch(t.path("configmaps"), {
      fieldSelector: `metadata.name=${name}`,
      resourceVersion: made.metadata.resourceVersion,
    });
    await t.api.ask("DELETE", t.path("configmaps", name));
    const marked = await watch.nextChange();
    assert.equal(marked.type, "MODIFIED");
    assert.ok(marked.object.metadata.deletionTimestamp);
    await t.api.ask("PATCH", t.path("configmaps", name), { type: mergePatch, body: { metadata: { finalizers: [] } } });
    assert.equal((await watch.nextChange()).type, "DELETED");
    watch.close();
  });

  test("what an object owns goes after it", async () => {
    const parent = await post(t.name("parent"));
    const child = await post(t.name("child"), { ownerReferences: [owner(parent)] });
    const grandchild = await post(t.name("grandchild"), { ownerReferences: [owner(child)] });
    await t.api.ask("DELETE", t.path("configmaps", parent.metadata.name));
    await gone(child.metadata.name);
    await gone(grandchild.metadata.name);
  });

  test("what has another living owner stays", async () => {
    const [one, two] = [await post(t.name("parent")), await post(t.name("parent"))];
    const child = await post(t.name("child"), { ownerReferences: [owner(one), owner(two)] });
    await t.api.ask("DELETE", t.path("configmaps", one.metadata.name));
    const left = await eventually(
      () => get(child.metadata.name),
      ({ body }) => body.metadata?.ownerReferences?.length === 1,
    );
    assert.equal(left.body.metadata.ownerReferences[0].uid, two.metadata.uid);
  });

  test("what is owned by something that never was is deleted", async () => {
    const child = await post(t.name("child"), {
      ownerReferences: [
        { apiVersion: "v1", kind: "ConfigMap", name: "never", uid: "11111111-1111-1111-1111-111111111111" },
      ],
    });
    await gone(child.metadata.name);
  });

  test("a foreground deletion waits for what blocks it", async () => {
    const parent = await post(t.name("parent"));
    // Only what may set finalizers on the owner may block it, so the reference is written by an administrator.
    const child = await post(t.name("child"), {
      finalizers: ["fairlead.dev/test"],
      ownerReferences: [owner(parent, { blockOwnerDeletion: true })],
    });
    const { body } = await t.api.ask("DELETE", t.path("configmaps", parent.metadata.name), {
      body: { propagationPolicy: "Foreground" },
    });
    assert.deepEqual(body.metadata.finalizers, ["foregroundDeletion"]);
    await eventually(
      () => get(child.metadata.name),
      ({ body: now }) => now.metadata?.deletionTimestamp !== undefined,
    );
    assert.equal((await get(parent.metadata.name)).status, 200);
    await t.api.ask("PATCH", t.path("configmaps", child.metadata.name), {
      type: mergePatch,
      body: { metadata: { finalizers: null } },
    });
    await gone(parent.metadata.name);
  });

  test("an orphaning deletion leaves what was owned", async () => {
    const parent = await post(t.name("parent"));
    const child = await post(t.name("child"), { ownerReferences: [owner(parent)] });
    await t.api.ask("DELETE", t.path("configmaps", parent.metadata.name), { body: { propagationPolicy: "Orphan" } });
    await gone(parent.metadata.name);
    const { status, body } = await get(child.metadata.name);
    assert.equal(status, 200);
    assert.equal(body.metadata.ownerReferences, undefined);
  });

  test("a collection is deleted by its labels", async () => {
    const mark = t.name("mark");
    for (const i of [1, 2]) await post(`${mark}-${i}`, { labels: { mark } });
    await post(`${mark}-other`);
    assert.equal(
      (await t.api.ask("DELETE", t.path("configmaps"), { query: { labelSelector: `mark=${mark}` } })).status,
      200,
    );
    await gone(`${mark}-1`);
    await gone(`${mark}-2`);
    assert.equal((await get(`${mark}-other`)).status, 200);
  });

  test("a deleted Namespace takes along what is in it, waits for finalizers and takes nothing new", async () => {
    const name = `${t.namespace}-inner`;
    await t.api.ask("POST", "/api/v1/namespaces", { body: { metadata: { name } } });
    const inner = `/api/v1/namespaces/${name}`;
    await t.api.ask("POST", `${inner}/configmaps`, { body: { metadata: { name: "plain" } } });
    await t.api.ask("POST", `${inner}/configmaps`, {
      body: { metadata: { name: "held", finalizers: ["fairlead.dev/test"] } },
    });
    const { body } = await t.api.ask("DELETE", inner);
    assert.equal(body.status.phase, "Terminating");
    const refused = await t.api.ask("POST", `${inner}/configmaps`, { body: { metadata: { name: "late" } } });
    assert.equal(refused.status, 403);
    assert.match(refused.body.message, /because it is being terminated/);
    await eventually(
      () => t.api.ask("GET", `${inner}/configmaps/plain`),
      ({ status }) => status === 404,
    );
    assert.equal((await t.api.ask("GET", inner)).status, 200);
    await t.api.ask("PATCH", `${inner}/configmaps/held`, {
      type: mergePatch,
      body: { metadata: { finalizers: null } },
    });
    await eventually(
      () => t.api.ask("GET", inner),
      ({ status }) => status === 404,
    );
  });
}
