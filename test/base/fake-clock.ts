import { setImmediate as turn } from "node:timers/promises";
import { type Clock, sleepOn, type Timer } from "../../src/base/clock.ts";

export interface FakeClock extends Clock {
  /** Moves time on, firing each timer at its own moment and letting promises settle before and after each. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock forward, as after a machine has slept: no timer knows of it. */
  jump(ms: number): void;
  /** How many timers wait: 0 at the end of a test shows that nothing was left behind. */
  readonly timers: number;
}

interface Waiting {
  at: number;
  fn: () => void;
}

/** Starts at `startMs` since 1970, or at a fixed moment of 2026. Time stands still until `advance`. */
export function createFakeClock(startMs = Date.UTC(2026, 0, 1)): FakeClock {
  let elapsed = 0;
  let jumped = 0;
  const waiting = new Set<Waiting>(); // Insertion order breaks ties, as in Node.

  const after = (ms: number, fn: () => void): Timer => {
    const timer = { at: elapsed + Math.max(0, ms), fn };
    waiting.add(timer);
    return { cancel: () => void waiting.delete(timer), unref: () => undefined };
  };

  function nextBefore(end: number): Waiting | undefined {
    let next: Waiting | undefined;
    for (const timer of waiting) if (timer.at <= end && (!next || timer.at < next.at)) next = timer;
    return next;
  }

  return {
    now: () => startMs + elapsed + jumped,
    monotonic: () => elapsed,
    after,
    sleep: (ms, signal) => sleepOn(after, ms, signal),
    get timers() {
      return waiting.size;
    },
    jump(ms) {
      jumped += ms;
    },
    async advance(ms) {
      const end = elapsed + ms;
      await turn();
      for (let timer = nextBefore(end); timer; timer = nextBefore(end)) {
        waiting.delete(timer);
        elapsed = timer.at;
        timer.fn();
        await turn();
      }
      elapsed = end;
      await turn();
    },
  };
}
