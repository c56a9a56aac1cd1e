/**
 * Answers that nobody takes. What is written of one and not read at the other end waits in the agent's memory, and holds what the call holds.
 * A stream that has nothing to say may be silent for ever: only bytes that wait count, and only while none of them goes.
 */
import type { ClientResponse } from "../tunnel/client-side.ts";

/** How long bytes of an answer may wait while none of them is taken, in milliseconds, unless said. */
const usualUntakenMs = 120_000;

/**
 * Ends the answer when bytes of it wait and none was taken for so long, or for twice as long where some had been. By Node's own timers, not
 * by a clock: they alone know how far a write has come that is under way.
 */
export function endUntaken(res: ClientResponse, ms: number = usualUntakenMs): void {
  res.on("timeout", () => {
    if (res.writableLength > 0) res.destroy();
  });
  res.setTimeout(ms);
}
