/** Server-side apply by property: whatever two managers say of an object, in whatever order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FieldSet } from "../../src/sandbox/apply/field-set.ts";
import { applyConfiguration, trackUpdate } from "../../src/sandbox/apply/managed-fields.ts";
import { fieldsOf } from "../../src/sandbox/apply/typed-walk.ts";
import { at, equal, isObject, type JsonObject } from "../../src/sandbox/json.ts";
import type { ManagedFieldsEntry } from "../../src/sandbox/object.ts";
import type { Schema } from "../../src/sandbox/schema/schema.ts";
import { StatusError } from "../../src/sandbox/status-error.ts";

const text: Schema = { type: "string" };
const schema: Schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        name: text,
        size: { type: "integer" },
        labels: { type: "object", additionalProperties: text },
        tags: { type: "array", "x-kubernetes-list-type": "set", items: text },
        words: { type: "array", items: text },
        parts: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["id"],
          items: { type: "object", properties: { id: text, weight: { type: "integer" }, note: text } },
        },
      },
    },
  },
};

const letter = fc.constantFrom("a", "b", "c");
const spec = fc.record(
  {
    name: letter,
    size: fc.nat(3),
    labels: fc.dictionary(letter, letter, { maxKeys: 3 }),
    tags: fc.uniqueArray(letter, { maxLength: 3 }),
    words: fc.array(letter, { maxLength: 2 }),
    parts: fc.uniqueArray(fc.record({ id: letter, weight: fc.nat(3), note: letter }, { requiredKeys: ["id"] }), {
      selector: (part) => part.id,
      maxLength: 3,
    }),
  },
  { requiredKeys: [] },
);

interface State {
  object: JsonObject;
  entries: ManagedFieldsEntry[];
}

const empty: State = { object: {}, entries: [] };

function apply(state: State, manager: string, config: object, force = true): State {
  const owner = { manager, operation: "Apply" as const, apiVersion: "v1" };
  const { merged, entries } = applyConfiguration({
    live: state.object,
    config: { spec: config },
    entries: state.entries,
    owner,
    schema,
    time: "2026-01-01T00:00:00Z",
    force,
  });
  return { object: merged, entries };
}

function ownedBy(state: State, manager: string): FieldSet {
  return FieldSet.parse(state.entries.find((entry) => entry.manager === manager)?.fieldsV1);
}

const runs = { numRuns: 300 };

test("applying the same twice changes nothing", () => {
  fc.assert(
    fc.property(spec, spec, (first, second) => {
      const before = apply(apply(empty, "one", first), "two", second);
      const again = apply(before, "two", second);
      assert.deepEqual(again, before);
    }),
    runs,
  );
});

test("what was applied by force is what is there", () => {
  fc.assert(
    fc.property(spec, spec, (first, second) => {
      const after = apply(apply(empty, "one", first), "two", second);
      const wanted = fieldsOf({ spec: second }, schema);
      const there = fieldsOf(after.object, schema);
      assert.equal(wanted.minus(there).filter((path) => path.length > 2 || isLeaf(second, path)).size, 0);
      assert.ok(ownedBy(after, "two").equals(wanted));
    }),
    runs,
  );
});

test("what the only owner applies no more is gone, and the other's fields stay", () => {
  fc.assert(
    fc.property(spec, spec, (first, second) => {
      const both = apply(apply(empty, "one", first), "two", second);
      const without = apply(both, "one", {});
      const rest = fieldsOf(without.object, schema);
      const lost = ownedBy(both, "two")
        .filter((path) => path.length > 2)
        .minus(rest);
      assert.equal(lost.size, 0, JSON.stringify(without.object));
      const alone = apply(apply(empty, "one", first), "one", {});
      assert.ok(equal(at(alone.object, "spec") ?? {}, {}), JSON.stringify(alone.object));
    }),
    runs,
  );
});

test("without force a difference is refused, and nothing else is", () => {
  fc.assert(
    fc.property(spec, spec, (first, second) => {
      const before = apply(empty, "one", first);
      const forced = apply(before, "two", second);
      const takes = !ownedBy(forced, "one").equals(ownedBy(before, "one"));
      try {
        const after = apply(before, "two", second, false);
        assert.ok(!takes);
        assert.deepEqual(after, forced);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        assert.ok(takes);
        assert.equal(error.code, 409);
      }
    }),
    runs,
  );
});

test("each field that an update changed belongs to the updater alone", () => {
  fc.assert(
    fc.property(spec, spec, (first, second) => {
      const before = apply(empty, "one", first);
      const object = (value: JsonObject) => ({
        apiVersion: "v1",
        kind: "X",
        metadata: { name: "x", uid: "", resourceVersion: "", creationTimestamp: "" },
        ...value,
      });
      const owner = { manager: "editor", operation: "Update" as const, apiVersion: "v1" };
      const entries = trackUpdate({
        before: object(before.object),
        after: object({ spec: second }),
        entries: before.entries,
        owner,
        schema,
        time: "2026-01-01T00:00:00Z",
      });
      const after = { object: {}, entries };
      assert.equal(ownedBy(after, "one").intersect(ownedBy(after, "editor")).size, 0);
    }),
    runs,
  );
});

test("a set of fields survives its written form", () => {
  fc.assert(
    fc.property(spec, (value) => {
      const fields = fieldsOf({ spec: value }, schema);
      assert.ok(FieldSet.parse(JSON.parse(JSON.stringify(fields.toTrie()))).equals(fields));
    }),
    runs,
  );
});

/** Empty containers are owned, but merging them into what is there leaves what is there. */
function isLeaf(value: unknown, path: readonly string[]): boolean {
  const found = at(value, ...path.slice(1).map((element) => element.slice(2)));
  return !isObject(found) && !Array.isArray(found);
}
