/**
 * The round trip to a peer as its status tells it: near enough for people, and rarely another number, since each is a write. The
 * link's own page and metrics tell the latest.
 */

/** So many looks in a row have to differ by much, so that one slow answer is no news. */
const looksUntilNews = 3;
/** By how much: a factor, and so many milliseconds besides, below which nobody minds. */
const factor = 2;
const leastDifferenceMs = 5;

export interface ShownRoundTrip {
  /** In whole milliseconds, rounded up; undefined before any was measured. */
  readonly ms: number | undefined;
  /** The looks since then that differed by much, all to the same side. */
  readonly strays: readonly number[];
}

export const noRoundTrip: ShownRoundTrip = { ms: undefined, strays: [] };

/** What is shown after one more look, at which the latest ping took `latestMs` milliseconds. Pure. */
export function lookAgain(shown: ShownRoundTrip, latestMs: number | undefined): ShownRoundTrip {
  if (latestMs === undefined) return shown;
  const { ms } = shown;
  const latest = Math.ceil(latestMs);
  if (ms === undefined) return { ms: latest, strays: [] };
  if (!isFar(ms, latest)) return { ms, strays: [] };
  const strays = [...shown.strays.filter((stray) => stray > ms === latest > ms), latest];
  if (strays.length < looksUntilNews) return { ms, strays };
  return { ms: strays.toSorted((a, b) => a - b)[looksUntilNews >> 1], strays: [] };
}

function isFar(a: number, b: number): boolean {
  const [less, more] = [Math.min(a, b), Math.max(a, b)];
  return more >= less * factor && more - less >= leastDifferenceMs;
}
