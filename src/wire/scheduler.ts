import { Priority } from "../gen/fairlead/wire/v1/frame_pb.ts";

export { Priority };

/** A class by its name, for counts; normal when it is none that this version knows. */
export function className(priority: Priority): "control" | "interactive" | "normal" | "bulk" {
  switch (priority) {
    case Priority.CONTROL:
      return "control";
    case Priority.INTERACTIVE:
      return "interactive";
    case Priority.BULK:
      return "bulk";
    default:
      return "normal";
  }
}

/** One that has frames to send and takes turns with others. */
export interface Turn {
  /** Does not change while the turn waits. */
  readonly priority: Priority;
  /** True while it stands in a scheduler's line; the scheduler keeps it. */
  waiting: boolean;
  /** Adds one frame, with at most `maxData` bytes of data, to `out`. Returns its bytes; 0 if there was nothing to send after all. */
  take(out: Uint8Array[], maxData: number): number;
  /** Whether there is more that could be sent now. */
  sendable(): boolean;
}

/** How many classes there are, in the order in which they are served. */
const order: readonly Priority[] = [Priority.CONTROL, Priority.INTERACTIVE, Priority.NORMAL, Priority.BULK];

/**
 * Decides whose frame goes next: the highest class that has something to send, and inside of it each in turn, one data frame at a time.
 */
export class Scheduler {
  readonly #lines: readonly Line[] = order.map(() => new Line());

  /** It has something to send. Harmless when it waits already. */
  ready(turn: Turn): void {
    if (turn.waiting) return;
    turn.waiting = true;
    this.#line(turn.priority).push(turn);
  }

  /**
   * Adds frames with at most `maxData` bytes of data each to `out`, until there are none or `budget` bytes are reached. No
   * frame is cut for what is left of the budget, so the last one may go beyond it. Returns the bytes.
   */
  pull(out: Uint8Array[], budget: number, maxData: number): number {
    const most = Math.min(maxData, budget);
    let bytes = 0;
    for (const line of this.#lines) {
      while (line.size > 0 && bytes < budget) {
        const turn = line.shift();
        if (turn === undefined) break;
        turn.waiting = false;
        bytes += turn.take(out, most);
        if (turn.sendable()) this.ready(turn);
      }
    }
    return bytes;
  }

  #line(priority: Priority): Line {
    const at = order.indexOf(priority);
    // Unspecified, and classes of a later version, are normal; that line is always there.
    return this.#lines[at < 0 ? order.indexOf(Priority.NORMAL) : at] as Line;
  }
}

/** First in, first out, at a constant cost. */
class Line {
  #turns: Turn[] = [];
  #head = 0;

  get size(): number {
    return this.#turns.length - this.#head;
  }

  push(turn: Turn): void {
    this.#turns.push(turn);
  }

  shift(): Turn | undefined {
    const turn = this.#turns[this.#head];
    this.#head += 1;
    if (this.#head === this.#turns.length) {
      this.#turns.length = 0;
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 > this.#turns.length) {
      this.#turns = this.#turns.slice(this.#head);
      this.#head = 0;
    }
    return turn;
  }
}
