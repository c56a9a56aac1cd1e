/** How tests wait for what takes its time: on a condition, never for a time, and no longer than a machine ten times slower would need. */
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";

/** What takes longer has failed. Milliseconds. */
const longestMs = 120_000;
/** For so long each turn of the event loop is looked at: most of what tests wait for is a few turns away. Milliseconds. */
const soonMs = 5;

/** A signal that ends what hangs, so that a broken promise fails its test instead of the whole run. */
export function patience(ms = longestMs): AbortSignal {
  return AbortSignal.timeout(ms);
}

/**
 * Resolves with the first answer of `look` that is there (neither undefined, null nor false), and fails after two minutes with
 * `what`, and with what `seen` tells. `everyMs` is for a look that is dear, such as a command; 0 looks at each turn of the event loop.
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  { everyMs, seen }: { everyMs?: number; seen?: () => unknown } = {},
): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    const found = await within(longestMs - (performance.now() - startedAt), look);
    if (found !== undefined && found !== null && found !== false) return found;
    const passedMs = performance.now() - startedAt;
    if (passedMs > longestMs) {
      const last = seen ? `; last seen: ${JSON.stringify(seen())?.slice(0, 3000)}` : "";
      throw new Error(`Not so within ${longestMs / 1000} s: ${what}${last}`);
    }
    if (everyMs === 0 || (everyMs === undefined && passedMs < soonMs)) await turn();
    else await pause(everyMs ?? 3);
  }
}

/** The answer, or undefined when the look itself hangs until then. */
async function within<T>(ms: number, look: () => T | Promise<T>): Promise<T | undefined> {
  const seen = look();
  if (!(seen instanceof Promise)) return seen;
  const over = new AbortController();
  const late = pause(Math.max(0, ms), undefined, { signal: over.signal }).catch(() => undefined);
  try {
    return await Promise.race([seen, late]);
  } finally {
    over.abort();
  }
}

/** Waits until what is looked at suits, and resolves with it; a failure tells what was there last. */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  suits: (seen: T) => boolean,
  o: { everyMs?: number } = {},
): Promise<T> {
  let last: T | undefined;
  const found = await until(
    what,
    async () => {
      const seen = await look();
      last = seen;
      return suits(seen) && { seen };
    },
    { ...o, seen: () => last },
  );
  return found.seen;
}
