/** Lengths of time as people write them: "8h", "30d", "1h30m". Pure. */

const unitMs: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 };

/** Whole numbers with a unit each, of which the larger need not come first; as in the rules of the protos. */
const grammar = /^(?:\d{1,6}[smhd]){1,8}$/;

/** In milliseconds; undefined when it is no length of time. "0s" is 0. */
export function parseDuration(text: string): number | undefined {
  // The grammar bounds the sum far below what a number holds exactly, and a text this long is none anyway.
  if (text.length > 64 || !grammar.test(text)) return undefined;
  return text
    .match(/\d+[smhd]/g)
    ?.reduce((sum, part) => sum + Number(part.slice(0, -1)) * (unitMs[part.slice(-1)] ?? 0), 0);
}

/** "1d8h", "90s" as "1m30s", 0 as "0s"; parts of a second are rounded up. Reads back as the same whole seconds. */
export function formatDuration(ms: number): string {
  let left = Math.max(0, Math.ceil(ms / 1_000)) * 1_000;
  let text = "";
  for (const [unit, size] of Object.entries(unitMs)) {
    const count = Math.floor(left / size);
    if (count > 0) text += `${count}${unit}`;
    left -= count * size;
  }
  return text === "" ? "0s" : text;
}
