/** The table of docs/security.md is what the tests prove, no more and no less. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { emptyParties, securityPage } from "../../../docs/generate-security.ts";
import { attacks } from "./attacks.ts";
import { threats } from "./threats.ts";

const root = new URL("../../..", import.meta.url).pathname;

describe("the table of threats", () => {
  test("is in docs/security.md as it is here; `make docs` makes it so", () => {
    assert.equal(readFileSync(join(root, "docs/security.md"), "utf8"), securityPage());
    assert.deepEqual(emptyParties(), []);
  });

  test("names tests that exist", () => {
    const own = new Set(attacks.map(({ name }) => name));
    const missing = threats.filter(({ test: { file, name } }) => {
      return !own.has(name) && !readFileSync(join(root, file), "utf8").includes(`test(${JSON.stringify(name)},`);
    });
    assert.deepEqual(
      missing.map(({ test: { file, name } }) => `${file} has no test "${name}"`),
      [],
    );
  });

  test("has each attack once, with a name of its own, and in sentences", () => {
    assert.equal(new Set(threats.map((threat) => threat.test.name)).size, threats.length);
    const unfinished = threats.filter(
      ({ tries, stops }) => !/^[A-Z].*\.$/.test(tries) || !/^[A-Z0-9].*\.$/.test(stops),
    );
    assert.deepEqual(
      unfinished.map(({ tries }) => tries),
      [],
    );
  });
});
