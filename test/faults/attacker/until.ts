import { setTimeout as pause } from "node:timers/promises";

/** Long enough for two busy cores; what takes it has failed. Milliseconds. */
const patienceMs = 60_000;

/** Waits until something is there, looking often; fails, saying what, when it does not come. */
export async function until<T>(
  what: string,
  read: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const value = await read();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`It did not come to be: ${what}.`);
    await pause(3);
  }
}
