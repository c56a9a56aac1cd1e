/** Patterns with stars. Pure. */

/** Made by `parseGlob`: texts, and the stars between them. */
export type Glob = readonly string[];

/** `*` is anything but a slash, also nothing; `**` is anything. */
export function parseGlob(text: string): Glob {
  return text
    .split(/(\*+)/)
    .filter((part) => part !== "")
    .map((part) => (part.startsWith("**") ? "**" : part));
}

/**
 * Whether the pattern is the whole of the text. It takes as many steps as the text has characters for each part of the
 * pattern, and never more: a text that somebody made for it cannot make it slow.
 */
export function matchesGlob(glob: Glob, text: string): boolean {
  const [first = ""] = glob;
  // Most patterns are about something else altogether.
  if (!first.startsWith("*") && !text.startsWith(first)) return false;
  // Whether the parts so far can end there.
  let ends = new Uint8Array(text.length + 1);
  ends[0] = 1;
  for (const part of glob) {
    const next = new Uint8Array(text.length + 1);
    if (part.startsWith("*")) spread(ends, next, part === "*" ? text : "");
    else
      for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1))
        next[at + part.length] = ends[at] ?? 0;
    ends = next;
  }
  return ends[text.length] === 1;
}

/** A star can end wherever it can begin, and from there on up to the next slash of `text`. */
function spread(from: Uint8Array, to: Uint8Array, text: string): void {
  let isOpen = false;
  for (let at = 0; at < from.length; at++) {
    if (at > 0 && text[at - 1] === "/") isOpen = false;
    isOpen ||= from[at] === 1;
    if (isOpen) to[at] = 1;
  }
}
