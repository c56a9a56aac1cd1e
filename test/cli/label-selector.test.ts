import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CliError, exitCode } from "../../src/cli/errors.ts";
import { parseLabelSelector } from "../../src/cli/label-selector.ts";

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

  test("what is no selector is a usage error that names the part", () => {
    assert.throws(
      () => parseLabelSelector("app=shop,a b c"),
      (error) => error instanceof CliError && error.code === exitCode.usage && /"a b c"/.test(error.message),
    );
  });
});
