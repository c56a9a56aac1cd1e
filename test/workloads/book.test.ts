import assert from "node:assert/strict";
import { test } from "node:test";
import { keyOf } from "../../src/kube/object.ts";
import type { Workload } from "../../src/kube/resources.ts";
import { createWorkloadBook, specText } from "../../src/workloads/host/book.ts";
import type { Latest } from "../../src/workloads/latest.ts";
import { workload } from "./objects.ts";

test("the bytes of a peer's specs are those of what is held now, whatever became of it", () => {
  const objects = new Map<string, Workload>();
  let listener: Parameters<Latest<Workload>["subscribe"]>[0] = () => undefined;
  const latest: Latest<Workload> = {
    get: (key) => objects.get(key),
    list: () => objects.values(),
    put: () => undefined,
    subscribe(fn) {
      listener = fn;
      return () => undefined;
    },
    synced: async () => undefined,
    isSynced: true,
    close: async () => undefined,
  };
  const book = createWorkloadBook(latest);
  const bytes = (): number => book.specBytes("ab".repeat(32));
  const set = (object: Workload): void => {
    const before = objects.get(keyOf(object));
    objects.set(keyOf(object), object);
    listener(keyOf(object), object, before);
  };
  const remove = (object: Workload): void => {
    objects.delete(keyOf(object));
    listener(keyOf(object), undefined, object);
  };
  const small = workload();
  const large = workload({ args: ["x".repeat(1000)] });
  const other = workload({}, { name: "other-0123456789" });
  set(small);
  assert.equal(bytes(), specText(small).length);
  set(large);
  assert.equal(bytes(), specText(large).length);
  assert.ok(bytes() > 1000);
  // Two objects with one origin, as somebody with kubectl may make them: the later one counts.
  set(other);
  assert.equal(bytes(), specText(other).length);
  remove(large);
  assert.equal(bytes(), specText(other).length);
  set(workload({}, { namespace: "elsewhere" }));
  assert.equal(bytes(), specText(other).length);
  remove(other);
  assert.equal(bytes(), 0);
});
