import { setTimeout as delay } from "node:timers/promises";

/** Waits until the condition holds; fails after 30 s with what was waited for. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Still not so after 30 s: ${what}`);
    await delay(5);
  }
}
