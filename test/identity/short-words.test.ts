import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { shortWords } from "../../src/identity/short-words.ts";
import { words } from "../../src/identity/words.ts";

const a = "a".repeat(64);
const b = "b".repeat(64);

test("both ends get the same four words, whichever names itself first", () => {
  assert.equal(shortWords(a, b, "token"), shortWords(b, a, "token"));
  assert.match(shortWords(a, b), /^[a-z]+-[a-z]+-[a-z]+-[a-z]+$/);
});

test("the words stay what they are, so that agents of different versions agree", () => {
  assert.equal(shortWords(a, b), "cherry-carpet-banjo-molar");
  assert.equal(shortWords(a, b, "token"), "onion-feather-jigsaw-octopus");
});

test("other keys and other secrets give other words, however they are cut", () => {
  assert.notEqual(shortWords(a, b), shortWords(a, "c".repeat(64)));
  assert.notEqual(shortWords(a, b, "ab", "c"), shortWords(a, b, "a", "bc"));
  assert.notEqual(shortWords(a, b, ""), shortWords(a, b));
});

test("the list has 256 short words, no two of which one typing error turns into one another", () => {
  assert.equal(words.length, 256);
  for (const word of words) assert.match(word, /^[a-z]{3,7}$/);
  for (const [index, word] of words.entries()) {
    for (const other of words.slice(index + 1)) assert.ok(distance(word, other) > 1, `${word} and ${other}`);
  }
});

test("every word comes up", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (bytes) => {
      for (const word of shortWords(a, b, Buffer.from(bytes).toString("hex")).split("-")) seen.add(word);
    }),
    { numRuns: 2000 },
  );
  assert.ok(seen.size > 250, `only ${seen.size} of 256 came up`);
});

/** Levenshtein's. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...left].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...right].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
