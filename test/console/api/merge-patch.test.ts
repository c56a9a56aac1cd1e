import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mergePatchOf } from "../../../src/console/api/merge-patch.ts";
import { isJsonObject, type JsonObject } from "../../../src/kube/object.ts";
import { merged } from "../../workloads/merge-patch.ts";

const leaf = fc.oneof(fc.string({ maxLength: 2 }), fc.integer({ max: 3 }), fc.boolean());
const { object } = fc.letrec<{ object: JsonObject; value: JsonObject[string] }>((tie) => ({
  object: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { maxKeys: 3 }),
  value: fc.oneof({ maxDepth: 3 }, leaf, tie("object"), fc.array(tie("value"), { maxLength: 2 })),
}));

test("a patch makes the one of the other, and is empty exactly for equal ones", () => {
  fc.assert(
    fc.property(object, object, (before, after) => {
      const patch = mergePatchOf(before, after);
      assert.deepEqual(bare(merged(before, patch)), bare(after));
      assert.deepEqual(mergePatchOf(after, after), {});
      if (JSON.stringify(patch) === "{}") assert.deepEqual(bare(before), bare(after));
    }),
    { numRuns: 500 },
  );
});

test("null is absence, on both sides", () => {
  assert.deepEqual(mergePatchOf({ a: null, b: 1 }, { a: null, b: null }), { b: null });
});

/** As JSON has it, whatever object it was made from. */
function bare(value: JsonObject): unknown {
  return JSON.parse(JSON.stringify(value, (_, inner) => (isJsonObject(inner) ? { ...inner } : inner)));
}
