/**
 * How long to wait before the next attempt: exponential, with full jitter, so that a thousand agents that lost the same
 * hub do not return in the same instant.
 */
export interface Backoff {
  /** Milliseconds to wait now: even over [minMs, ceiling], where the ceiling starts at twice minMs and doubles up to maxMs. */
  next(): number;
  /** Starts over, to be called once things have been stable for a while. */
  reset(): void;
}

/** `random` returns [0, 1) and is `Math.random` unless given. */
export function createBackoff(o: { minMs: number; maxMs: number; random?: () => number }): Backoff {
  if (!(o.minMs >= 0 && o.maxMs >= o.minMs)) {
    throw new RangeError(`A backoff needs 0 <= minMs <= maxMs, not ${o.minMs} and ${o.maxMs}.`);
  }
  const random = o.random ?? Math.random;
  const firstCeiling = Math.min(o.maxMs, o.minMs * 2);
  let ceiling = firstCeiling;
  return {
    next() {
      const wait = o.minMs + random() * (ceiling - o.minMs);
      ceiling = Math.min(o.maxMs, Math.max(ceiling * 2, 1));
      return wait;
    },
    reset() {
      ceiling = firstCeiling;
    },
  };
}
