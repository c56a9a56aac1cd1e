import type { Clock } from "./clock.ts";

/** Counts what may not happen often. */
export interface RateLimit {
  /** Takes one; false when there is none left for now. */
  take(): boolean;
  /** One that was taken does not count after all. */
  giveBack(): void;
}

/** `burst` at once, and `perSecond` after that. */
export function createRateLimit(o: { clock: Clock; burst: number; perSecond: number }): RateLimit {
  let left = o.burst;
  let at = o.clock.monotonic();
  return {
    take() {
      const now = o.clock.monotonic();
      left = Math.min(o.burst, left + ((now - at) * o.perSecond) / 1_000);
      at = now;
      if (left < 1) return false;
      left -= 1;
      return true;
    },
    giveBack() {
      left = Math.min(o.burst, left + 1);
    },
  };
}
