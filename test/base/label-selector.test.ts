import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseLabelSelector, SelectorError, splitSelector } from "../../src/base/label-selector.ts";

suite("label selectors", () => {
  const labels = { app: "shop", tier: "front", "example.com/zone": "a" };

  for (const [selector, matches] of [
    ["", true],
    ["app=shop", true],
    ["app==shop", true],
    ["app=other", false],
    ["app!=other", true],
    ["missing!=x", true],
    ["app", true],
    ["!app", false],
    ["!missing", true],
    ["example.com/zone in (a, b)", true],
    ["example.com/zone notin (a,b)", false],
    ["missing in (a)", false],
    ["missing notin (a)", true],
    ["app=shop,tier in (back,front),!missing", true],
    ["app=shop,tier=back", false],
  ] as const) {
    test(`${selector || "nothing"} ${matches ? "selects" : "does not select"} it`, () => {
      assert.equal(parseLabelSelector(selector)(labels), matches);
    });
  }

  test("what every object has from its prototype is no label", () => {
    assert.equal(parseLabelSelector("constructor")({}), false);
    assert.equal(parseLabelSelector("toString!=x")({}), true);
  });

  test("a comma inside parentheses parts nothing, and one at the end neither", () => {
    assert.deepEqual(splitSelector(" a in (b, c) , d,, "), ["a in (b, c)", "d"]);
  });

  test("a selector has few parts, since each is held against everything; the same one twice is one", () => {
    const parts = Array.from({ length: 16 }, (_, i) => `!a${i}`);
    assert.equal(splitSelector([...parts, ...parts].join()).length, 16);
    assert.throws(() => parseLabelSelector([...parts, "!b"].join()), SelectorError);
  });

  test("what is no selector is named", () => {
    for (const text of ["app=shop,a b c", "a b c", "a in b", "=x", "a in (b", "a=b=c"]) {
      assert.throws(() => parseLabelSelector(text), SelectorError, text);
    }
    assert.throws(() => parseLabelSelector("app=shop,a b c"), /"a b c"/);
  });
});
