import assert from "node:assert/strict";
import { test } from "node:test";
import { DocumentError, parseDocuments } from "../../src/base/document.ts";

test("every document is read, empty ones are not, and each knows its line", () => {
  const documents = parseDocuments("---\na: 1\n---\n# only a comment\n---\nb: 2\n");
  assert.deepEqual(
    documents.map(({ value, line }) => ({ value, line })),
    [
      { value: { a: 1 }, line: 2 },
      { value: { b: 2 }, line: 6 },
    ],
  );
});

test("JSON and an empty text are read", () => {
  assert.deepEqual(parseDocuments('{"a": [1, "x", null, true]}')[0]?.value, { a: [1, "x", null, true] });
  assert.deepEqual(parseDocuments(""), []);
});

test("a mistake is named with file, line and column", () => {
  assert.throws(
    () => parseDocuments("a: 1\nb: [1, 2\n", "app.yaml"),
    (error) =>
      error instanceof DocumentError && error.line >= 2 && /^app\.yaml, line \d+, column \d+: /.test(error.message),
  );
});

test("a key that is given twice is a mistake", () => {
  assert.throws(() => parseDocuments("a: 1\na: 2\n"), /line 2, column 1/);
});

test("a value is located, and so is the nearest parent of one that is missing", () => {
  const [document] = parseDocuments("spec:\n  ports:\n    - port: 80\n    - port: 81\n");
  assert.equal(document?.locate(["spec", "ports", 1, "port"]), "line 4, column 13");
  assert.equal(document?.locate(["spec", "ports", 1, "name"]), "line 4, column 7");
  assert.equal(document?.locate(["nothing"]), "line 1, column 1");
});

test("aliases that multiply without end are refused", () => {
  const levels = Array.from(
    { length: 12 },
    (_, index) => `l${index + 1}: &l${index + 1} [${`*l${index}, `.repeat(9)}]`,
  );
  assert.throws(() => parseDocuments(`l0: &l0 [x]\n${levels.join("\n")}\n`, "bomb.yaml"), /bomb\.yaml/);
});
