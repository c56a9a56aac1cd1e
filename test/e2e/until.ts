/** Waiting for what takes its time on real clusters: looks again and again until a deadline, and says what it saw last. */

import { setTimeout as pause } from "node:timers/promises";

/**
 * Resolves with the first answer that is neither undefined nor false. What `look` throws counts as not yet. When the time
 * is up it rejects with `what` and the last thing seen, so that a failure tells its story.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  options: { seconds?: number; seen?: () => unknown } = {},
): Promise<T> {
  const seconds = options.seconds ?? 60;
  const deadline = performance.now() + seconds * 1000;
  let last: unknown;
  for (;;) {
    try {
      const answer = await look();
      if (answer !== undefined && answer !== false) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const seen = options.seen ? `; last seen: ${JSON.stringify(options.seen())}` : "";
      throw new Error(`${what}: not within ${seconds} s${seen}`, { cause: last });
    }
    await pause(100);
  }
}
