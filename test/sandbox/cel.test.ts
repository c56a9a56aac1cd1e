import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluateRule } from "../../src/sandbox/schema/cel.ts";

const cases: [rule: string, self: unknown, holds: boolean | undefined][] = [
  ["has(self.spec.peer)", { spec: { peer: "b" } }, true],
  ["has(self.spec.peer)", { spec: {} }, false],
  ["(has(self.spec) && has(self.spec.peer))", {}, false],
  ["!(has(self.spec) && has(self.spec.app) && has(self.spec.app.peer))", { spec: { app: {} } }, true],
  ["!has(self.spec.peer)", {}, false], // A parent that is missing is an error, and an error breaks the rule.
  ["has(self.a.b) || true", {}, true],
  ["!(has(self.either) && has(self.or))", { either: "", or: "" }, false],
  ["[has(self.a), has(self.b)].filter(x, x).size() <= 1", { a: 1, b: 2 }, false],
  ["[has(self.a), has(self.b)].filter(x, x).size() == 1", { b: 2 }, true],
  ["has(self.__namespace__)", { namespace: "x" }, true],
  ["self.a == 'x' && self.n >= 3", { a: "x", n: 3 }, true],
  ["self.n < 3", { n: 3 }, false],
  ["self.list.size() != 2", { list: [1, 2] }, false],
  ["(!has(self.names) || self.names.size() == 0)", {}, true],
  ["self.names.size() == 0", {}, false],
  ["self.labels.size() == 0", { labels: {} }, true],
  ["self.labels.size() == 0", { labels: { a: "b" } }, false],
  ["size(self.name) <= 3", { name: "añ🚢" }, true],
  ["self.a.matches('^x')", { a: "x" }, undefined],
  ["self.a + 1 == 2", { a: 1 }, true],
  ["has(self)", {}, undefined],
];

for (const [rule, self, holds] of cases) {
  test(`${rule} of ${JSON.stringify(self)} ${holds === undefined ? "is not judged" : holds ? "holds" : "is broken"}`, () => {
    assert.equal(evaluateRule(rule, { self, oldSelf: undefined }), holds);
  });
}
