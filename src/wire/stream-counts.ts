import type { LinkBudget } from "./budget.ts";
import type { Reason } from "./reason.ts";
import { type ResetCounts, ResetTally } from "./reset-counts.ts";
import { className, type Priority } from "./scheduler.ts";
import type { Stream } from "./stream.ts";

/** How many streams there are and were; they only grow, but for `open`. */
export interface StreamCounts {
  /** Open now, by class. */
  readonly open: Readonly<Record<"control" | "interactive" | "normal" | "bulk", number>>;
  /** Opened by this end. */
  readonly opened: number;
  /** Opened by the other end, refused ones not counted. */
  readonly accepted: number;
  /** Refused by this end, for whatever reason a limit has. */
  readonly refused: number;
  /** How often a stream had data to send and no credit. */
  readonly creditStalls: number;
  /** Streams that were reset, those that were refused among them. */
  readonly resets: ResetCounts;
  /** Streams that the other end may send nothing on for want of a reader, for a second already. */
  readonly slowReaders: number;
  /** Bytes that came and were not read. */
  readonly heldBytes: number;
  /** Bytes that the other end may send, and those that are held. */
  readonly promisedBytes: number;
}

/** A reader that has kept the other end from sending for so long is slow, in milliseconds. */
const slowMs = 1_000;

/** Counts the streams of a session. */
export class StreamTally {
  readonly #classes = { control: 0, interactive: 0, normal: 0, bulk: 0 };
  readonly #resets = new ResetTally();
  #opened = 0;
  #accepted = 0;
  #refused = 0;
  #creditStalls = 0;

  /** One is open, of either end. */
  add(priority: Priority): void {
    this.#classes[className(priority)] += 1;
  }

  /** One is over. */
  remove(priority: Priority): void {
    this.#classes[className(priority)] -= 1;
  }

  opened(): void {
    this.#opened += 1;
  }

  accepted(): void {
    this.#accepted += 1;
  }

  refused(): void {
    this.#refused += 1;
  }

  stalled(): void {
    this.#creditStalls += 1;
  }

  reset(how: keyof ResetCounts, reason: Reason, streams = 1): void {
    this.#resets.add(how, reason, streams);
  }

  /** As it is now, with these streams open. */
  counts(streams: Iterable<Stream>, budget: LinkBudget, nowMs: number): StreamCounts {
    let slowReaders = 0;
    for (const { usedUpAt } of streams) if (usedUpAt !== undefined && usedUpAt <= nowMs - slowMs) slowReaders += 1;
    return {
      open: { ...this.#classes },
      opened: this.#opened,
      accepted: this.#accepted,
      refused: this.#refused,
      creditStalls: this.#creditStalls,
      resets: this.#resets.counts(),
      slowReaders,
      heldBytes: budget.held,
      promisedBytes: budget.promised,
    };
  }
}
