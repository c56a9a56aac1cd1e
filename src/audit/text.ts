/**
 * What texts of others may be in an entry: without secrets, without what a terminal would obey, and no longer than there is room for.
 * Pure. Whoever records says nothing secret on purpose; this is for the message of a library that quotes what it was given.
 */
import { secretMask } from "../base/secret-text.ts";

/** Invites, tokens of our own, what follows "Bearer" or "Basic", JSON Web Tokens, PEM blocks, passwords in URLs and after their name. */
const secrets: readonly (readonly [RegExp, string])[] = [
  [/fairlead-invite:[\w:+/=-]+/gi, secretMask],
  [/\bflt_[\w-]+/g, secretMask],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${secretMask}`],
  [/(?<![\w-])eyJ[\w-]+\.[\w-]+(\.[\w-]*)?/g, secretMask],
  [/-----BEGIN [A-Z ]+-----[\s\S]*?(-----END [A-Z ]+-----|$)/g, secretMask],
  [/(\w:\/\/[^\s/@:]*):[^\s/@]+@/g, `$1:${secretMask}@`],
  [
    /\b((?:password|passwd|passphrase|token|secret|api[_-]?key|authorization)["']?\s*[=:]\s*)(?!\[secret\])("[^"]*"|'[^']*'|[^\s"',;&]+)/gi,
    `$1${secretMask}`,
  ],
];

/** What steers a terminal or turns the direction of writing, and the ends of lines. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu;

/** Longer texts are cut before they are searched, so that no text can hold the agent up. In characters. */
const longestSearched = 2_048;

/** `bytes` is what the text may take as JSON in UTF-8, without its quotes. A text that is cut ends in "…". */
export function cleanText(text: string, bytes: number): string {
  let shown = text.slice(0, longestSearched).toWellFormed();
  for (const [pattern, mask] of secrets) shown = shown.replaceAll(pattern, mask);
  return cut(shown.replaceAll(unprintable, " "), bytes);
}

function cut(text: string, bytes: number): string {
  if (text.length * 4 <= bytes || sizeOf(text) <= bytes) return text;
  const ellipsis = "…";
  let room = bytes - sizeOf(ellipsis);
  let end = 0;
  for (const character of text) {
    room -= sizeOf(character);
    if (room < 0) break;
    end += character.length;
  }
  return text.slice(0, end) + ellipsis;
}

/** As JSON in UTF-8. There are no control characters and no halves of characters any more, which would take six bytes each. */
function sizeOf(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x80) bytes += character === '"' || character === "\\" ? 2 : 1;
    else if (code < 0x8_00) bytes += 2;
    else bytes += code < 0x1_00_00 ? 3 : 4;
  }
  return bytes;
}
