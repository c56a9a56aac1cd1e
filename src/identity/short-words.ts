import { createHash } from "node:crypto";
import type { Fingerprint } from "./fingerprint.ts";
import { words } from "./words.ts";

/** 8 bits a word, 32 in all. */
const wordCount = 4;

/**
 * Four words that two people read to each other to know that their agents speak to one another: "amber-canoe-violet-otter".
 * Both ends get the same ones, whichever of them is `a`. They confirm the pin of an invite and do not replace it: who
 * stands in the middle and may choose both keys could search for two that give equal words. So pass in `extra`, in the same order at both
 * ends, what both know and a stranger does not, such as the invite's token.
 */
export function shortWords(a: Fingerprint, b: Fingerprint, ...extra: readonly string[]): string {
  const [low, high] = a < b ? [a, b] : [b, a];
  const hash = createHash("sha256");
  for (const part of ["fairlead short words 1", low, high, ...extra]) {
    // The length before each part keeps ("ab", "c") and ("a", "bc") apart.
    const bytes = Buffer.from(part);
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return Array.from(hash.digest().subarray(0, wordCount), (byte) => words[byte]).join("-");
}
