/**
 * Those that would run if there were room: asked again, the oldest first, when somebody made room, and only then. Work is
 * bounded: one round a second at most, a hundred in one turn of the event loop.
 */
import type { Clock, Timer } from "../../base/clock.ts";

export interface Rounds {
  /** Whether a stored Workload waits for room. */
  set(key: string, isWaiting: boolean): void;
  isWaiting(key: string): boolean;
  /** A wish of this peer was refused for want of room, and is kept by its origin alone. */
  refused(fingerprint: string): void;
  /** There may be room now. */
  plan(): void;
  close(): void;
}

export interface RoundsDeps {
  /** Puts the oldest first. */
  inOrder(keys: Iterable<string>): string[];
  /** Judges one that waits. */
  judge(key: string): void;
  /** There may be room now for what this peer was refused. */
  onRoom(fingerprint: string): void;
  clock: Clock;
}

/** How many are judged in one turn of the event loop. */
const batch = 100;
/** The least time from one round to the next, in milliseconds. */
const gapMs = 1_000;

export function createRounds({ inOrder, judge, onRoom, clock }: RoundsDeps): Rounds {
  const waiting = new Set<string>();
  const refused = new Set<string>();
  let round: Timer | undefined;
  let lastAt = Number.NEGATIVE_INFINITY;
  let isGoing = false;
  /** There may be more room than when the round began. */
  let isDue = false;
  let isClosed = false;

  function plan(): void {
    isDue ||= isGoing;
    if (round || isClosed || (waiting.size === 0 && refused.size === 0)) return;
    round = clock.after(Math.max(0, lastAt + gapMs - clock.monotonic()), () => {
      lastAt = clock.monotonic();
      [isGoing, isDue] = [true, false];
      go(inOrder(waiting));
    });
  }

  function go(keys: string[]): void {
    for (const key of keys.splice(0, batch)) judge(key);
    if (isClosed) return;
    if (keys.length > 0) {
      round = clock.after(0, () => go(keys));
      return;
    }
    [round, isGoing] = [undefined, false];
    // Those that are stored here came first.
    const peers = [...refused];
    refused.clear();
    for (const fingerprint of peers) onRoom(fingerprint);
    if (isDue) plan();
  }

  return {
    set(key, isWaiting) {
      if (isWaiting) waiting.add(key);
      else waiting.delete(key);
    },
    isWaiting: (key) => waiting.has(key),
    refused: (fingerprint) => void refused.add(fingerprint),
    plan,
    close() {
      isClosed = true;
      round?.cancel();
    },
  };
}
