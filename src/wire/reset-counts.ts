import type { Reason } from "./reason.ts";

/** How many streams of a session did not end well, and why. There are as many reasons as this version knows, and no more. */
export interface ResetCounts {
  /** Reset by this end, and by the other one. */
  readonly sent: ReadonlyMap<Reason, number>;
  readonly received: ReadonlyMap<Reason, number>;
  /** Open when the session ended. */
  readonly lost: ReadonlyMap<Reason, number>;
}

/** Counts them. Empty until the first one, as it is with most sessions. */
export class ResetTally {
  readonly #counts = {
    sent: new Map<Reason, number>(),
    received: new Map<Reason, number>(),
    lost: new Map<Reason, number>(),
  };

  add(how: keyof ResetCounts, reason: Reason, streams = 1): void {
    if (streams > 0) this.#counts[how].set(reason, (this.#counts[how].get(reason) ?? 0) + streams);
  }

  /** As they are now. */
  counts(): ResetCounts {
    const { sent, received, lost } = this.#counts;
    return { sent: new Map(sent), received: new Map(received), lost: new Map(lost) };
  }
}
