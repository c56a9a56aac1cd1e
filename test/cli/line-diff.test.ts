import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { diffLines } from "../../src/cli/line-diff.ts";

const marks = { same: " ", gone: "-", new: "+" } as const;
const shown = (before: string, after: string): string =>
  diffLines(before, after)
    .map(({ kind, text }) => `${marks[kind]}${text}`)
    .join("\n");

suite("a diff of lines", () => {
  test("is as short as it can be, and what goes stands before what comes", () => {
    assert.equal(shown("a\nb\nc", "a\nx\nc"), " a\n-b\n+x\n c");
    assert.equal(shown("a\nb", "a\nb\nc"), " a\n b\n+c");
    assert.equal(shown("a\nb\nc\nd", "b\nd"), "-a\n b\n-c\n d");
    assert.equal(shown("x", "x"), " x");
  });

  test("holds all of both texts in their order, whatever they are", () => {
    const text = fc.array(fc.constantFrom("a", "b", "c", ""), { maxLength: 12 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = diffLines(before, after);
        const side = (without: string): string =>
          lines.flatMap(({ kind, text: line }) => (kind === without ? [] : [line])).join("\n");
        assert.equal(side("new"), before);
        assert.equal(side("gone"), after);
      }),
    );
  });

  test("of two long texts that have nothing in common takes no more memory than they do", () => {
    const long = (mark: string): string => Array.from({ length: 20_000 }, (_, index) => `${mark}${index}`).join("\n");
    assert.equal(diffLines(long("a"), long("b")).length, 40_000);
  });
});
