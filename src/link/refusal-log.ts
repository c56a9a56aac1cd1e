import type { Clock, Timer } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import type { Log } from "../base/log.ts";
import { LinkError, type LinkErrorCode } from "./error.ts";

/** Why a stranger was turned away. */
export type RefusalReason =
  | LinkErrorCode
  /** There were too many strangers, and it had waited longest. */
  | "crowded-out"
  /** It asked for something that is not there. */
  | "not-found"
  /** What it said is no HTTP. */
  | "malformed"
  /** It said far more than it takes to prove a key. */
  | "too-much";

/** The shortest time between two lines, in milliseconds. */
const everyMs = 10_000;

/** The reason behind what went wrong with a stranger. */
export function refusalReason(error: unknown): RefusalReason {
  return error instanceof LinkError ? error.code : "handshake";
}

/** Counts refused strangers by reason. Tells of some: the first at once, those that follow closely as a number, so that a flood of them is no flood of lines. */
export function createRefusalLog(deps: { clock: Clock; log: Log }): {
  count(reason: RefusalReason): void;
  tell(address: string | undefined, error: unknown): void;
  readonly counts: ReadonlyMap<RefusalReason, number>;
  close(): void;
} {
  const counts = new Map<RefusalReason, number>();
  let pause: Timer | undefined;
  let unsaid = 0;

  function resume(): void {
    pause = undefined;
    if (unsaid > 0) deps.log.warn({ count: unsaid }, "more connections to the peer port were refused");
    unsaid = 0;
  }

  return {
    counts,
    count(reason) {
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    },
    tell(address, error) {
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
