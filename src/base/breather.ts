/**
 * Gives way to other work. A loop that awaits only what is there already never lets the process read a socket or fire a
 * timer; whoever can be made to do much of that, as by a peer that says 10,000 things at once, asks here before each piece.
 */
import { setImmediate as nextTurn } from "node:timers/promises";

/** For how long others may be held up without a pause, in milliseconds. */
const longestMs = 10;

/** A promise to wait for when others have been held up for long enough; undefined when there is no hurry. */
export type Breather = () => Promise<void> | undefined;

/** One for each loop. It goes by real time, since that is what others lose, and not by a clock that a test may stop. */
export function createBreather(): Breather {
  /** When this turn of the event loop began to work. */
  let since: number | undefined;
  return () => {
    if (since === undefined) {
      since = performance.now();
      setImmediate(() => {
        since = undefined;
      });
      return undefined;
    }
    return performance.now() - since < longestMs ? undefined : nextTurn();
  };
}
