import type { Clock, Timer } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import type { Log } from "../base/log.ts";

/** The shortest time between two lines, in milliseconds. */
const everyMs = 10_000;

/** Tells of refused strangers: the first at once, those that follow closely as a number, so that a flood of them is no flood of lines. */
export function createRefusalLog(deps: { clock: Clock; log: Log }): {
  add(address: string | undefined, error: unknown): void;
  close(): void;
} {
  let pause: Timer | undefined;
  let unsaid = 0;

  function resume(): void {
    pause = undefined;
    if (unsaid > 0) deps.log.warn({ count: unsaid }, "more connections to the peer port were refused");
    unsaid = 0;
  }

  return {
    add(address, error) {
      if (pause) {
        unsaid += 1;
        return;
      }
      deps.log.warn({ address, reason: errorText(error) }, "a connection to the peer port was refused");
      pause = deps.clock.after(everyMs, resume);
      pause.unref?.();
    },
    close() {
      pause?.cancel();
      resume();
    },
  };
}
