/** Which lines of a long list are to be drawn. Pure. */

export interface Window {
  /** The first line that is drawn, and the one after the last. */
  readonly from: number;
  readonly to: number;
}

/** Lines beyond what is seen, on either side: a quick scroll finds them there. */
const spare = 12;

export function windowOf(o: { count: number; rowPx: number; scrolledPx: number; heightPx: number }): Window {
  const first = Math.floor(o.scrolledPx / o.rowPx);
  const seen = Math.ceil(o.heightPx / o.rowPx) + 1;
  const from = Math.max(0, Math.min(first - spare, o.count - seen - spare));
  return { from, to: Math.min(o.count, Math.max(from, first) + seen + spare) };
}

/** Where to scroll so that a line is seen; where it is now when that will do. */
export function scrollTo(o: { index: number; rowPx: number; scrolledPx: number; heightPx: number }): number {
  const top = o.index * o.rowPx;
  if (top < o.scrolledPx) return top;
  return Math.max(o.scrolledPx, top + o.rowPx - o.heightPx);
}
