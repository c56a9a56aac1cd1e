import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, mergePatch } from "./api.ts";
import type { Context } from "./suite.ts";

export function watchTests(t: Context): void {
  const labelled = (name: string, mark: string, extra: object = {}): object => ({
    metadata: { name, labels: { mark } },
    ...extra,
  });
  const post = async (body: object): Promise<Json> => (await t.api.ask("POST", t.path("configmaps"), { body })).body;
  const patch = async (name: string, body: object): Promise<Json> =>
    (await t.api.ask("PATCH", t.path("configmaps", name), { type: mergePatch, body })).body;

  test("a watch from a list tells every later change, in order, once", async () => {
    const mark = t.name("watch");
    await post(labelled(`${mark}-old`, mark));
    const list = (await t.api.ask("GET", t.path("configmaps"), { query: { labelSelector: `mark=${mark}` } })).body;
    const made = await post(labelled(mark, mark));
    const watch = await t.api.watch(t.path("configmaps"), {
      labelSelector: `mark=${mark}`,
      resourceVersion: list.metadata.resourceVersion,
    });
    const added = await watch.nextChange();
    assert.deepEqual(
      [added.type, added.object.metadata.name, added.object.metadata.resourceVersion],
      ["ADDED", mark, made.metadata.resourceVersion],
    );
    const changed = await patch(mark, { data: { a: "2" } });
    const modified = await watch.nextChange();
    assert.deepEqual(
      [modified.type, modified.object.data.a, modified.object.metadata.resourceVersion],
      ["MODIFIED", "2", changed.metadata.resourceVersion],
    );
    await t.api.ask("DELETE", t.path("configmaps", mark));
    const deleted = await watch.nextChange();
    assert.equal(deleted.type, "DELETED");
    assert.equal(deleted.object.data.a, "2");
    assert.ok(BigInt(deleted.object.metadata.resourceVersion) > BigInt(changed.metadata.resourceVersion));
    watch.close();
  });

  test("without a version a watch begins with what is there", async () => {
    const mark = t.name("watch");
    await post(labelled(`${mark}-1`, mark));
    await post(labelled(`${mark}-2`, mark));
    const watch = await t.api.watch(t.path("configmaps"), { labelSelector: `mark=${mark}` });
    const seen = [await watch.nextChange(), await watch.nextChange()].map(
      ({ type, object }) => `${type} ${object.metadata.name}`,
    );
    assert.deepEqual(seen.sort(), [`ADDED ${mark}-1`, `ADDED ${mark}-2`]);
    watch.close();
  });

  test("entering a selector is ADDED and leaving it is DELETED", async () => {
    const mark = t.name("watch");
    const watch = await t.api.watch(t.path("configmaps"), { labelSelector: `mark=${mark}` });
    await post({ metadata: { name: mark } });
    await patch(mark, { metadata: { labels: { mark } } });
    assert.equal((await watch.nextChange()).type, "ADDED");
    const left = await patch(mark, { metadata: { labels: { mark: null } } });
    const deleted = await watch.nextChange();
    assert.equal(deleted.type, "DELETED");
    assert.equal(deleted.object.metadata.resourceVersion, left.metadata.resourceVersion);
    watch.close();
  });

  test("one object is watched by its name", async () => {
    const name = t.name("watch");
    const watch = await t.api.watch(t.path("configmaps"), { fieldSelector: `metadata.name=${name}` });
    await post({ metadata: { name: `${name}-other` } });
    await post({ metadata: { name } });
    assert.equal((await watch.nextChange()).object.metadata.name, name);
    watch.close();
  });

  test("a watch-list streams what is there and marks the end of it", async () => {
    const mark = t.name("watch");
    const made = await post(labelled(mark, mark));
    const watch = await t.api.watch(t.path("configmaps"), {
      labelSelector: `mark=${mark}`,
      sendInitialEvents: true,
      resourceVersionMatch: "NotOlderThan",
      allowWatchBookmarks: true,
    });
    assert.equal((await watch.next()).object.metadata.name, mark);
    const bookmark = await watch.next();
    assert.equal(bookmark.type, "BOOKMARK");
    assert.equal(bookmark.object.kind, "ConfigMap");
    assert.equal(bookmark.object.metadata.annotations["k8s.io/initial-events-end"], "true");
    assert.ok(BigInt(bookmark.object.metadata.resourceVersion) >= BigInt(made.metadata.resourceVersion));
    watch.close();
  });

  test("a version that is forgotten is 410 Expired", async () => {
    const name = t.name("watch");
    await post({ metadata: { name } });
    const { type, object } = await watchForgotten(name);
    assert.equal(type, "ERROR");
    assert.deepEqual([object.kind, object.code, object.reason], ["Status", 410, "Expired"]);
  });

  /** The first word of a watch from the server's first version, once the server has forgotten that one. */
  async function watchForgotten(name: string): Promise<Json> {
    // A cluster forgets what is older than 75 seconds when a hundred newer changes want its place; a young one takes as long.
    const deadline = performance.now() + 150_000;
    for (let round = 0; ; round += 1) {
      if (t.setting.compact) t.setting.compact();
      else for (let i = 0; i < 150; i += 1) await patch(name, { data: { round: `${round}-${i}` } });
      const watch = await t.api.watch(t.path("configmaps"), { resourceVersion: "1" });
      const first = await watch.next();
      watch.close();
      if (first.type === "ERROR" || performance.now() > deadline) return first;
    }
  }

  test("a watch ends when its time is up", async () => {
    const watch = await t.api.watch(t.path("configmaps"), {
      resourceVersion: "0",
      timeoutSeconds: 1,
      labelSelector: "mark=none",
    });
    await watch.ended;
  });

  test("a watch of all namespaces sees this one", async () => {
    const mark = t.name("watch");
    const watch = await t.api.watch("/api/v1/configmaps", { labelSelector: `mark=${mark}` });
    await post(labelled(mark, mark));
    assert.equal((await watch.nextChange()).object.metadata.namespace, t.namespace);
    watch.close();
  });

  test("a table is watched as a table", async () => {
    const name = t.name("watch");
    await post({ metadata: { name }, data: { a: "1", b: "2" } });
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    const { body } = await t.api.ask("GET", t.path("configmaps", name), { accept });
    assert.equal(body.kind, "Table");
    assert.deepEqual(
      body.columnDefinitions.map((column: Json) => column.name),
      ["Name", "Data", "Age"],
    );
    assert.deepEqual(body.rows[0].cells.slice(0, 2), [name, 2]);
    assert.equal(body.rows[0].object.kind, "PartialObjectMetadata");
  });
}
