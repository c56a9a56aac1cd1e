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
  /** Whether it has sent little lately. */
  isLight(): boolean;
  /** Adds one frame, with at most `maxData` bytes of data, to `out`. Returns its bytes; 0 if there was nothing to send after all. */
  take(out: Uint8Array[], maxData: number): number;
  /** Whether there is more that could be sent now. */
  sendable(): boolean;
}

/** What may be sent now: of the classes below interactive everything, only what is light, or nothing. */
export type Room = "all" | "light" | "urgent";

/** How many classes there are, in the order in which they are served. */
const order: readonly Priority[] = [Priority.CONTROL, Priority.INTERACTIVE, Priority.NORMAL, Priority.BULK];
/** Unspecified, and classes of a later version, are normal. */
const normal = order.indexOf(Priority.NORMAL);

/** Bytes of a light stream that go ahead in one turn. */
const lightTurnBytes = 16 * 1024;
/** After so many bytes of light streams a heavy one of their class has a turn, if any waits: many light ones are a load, too. */
const lightRunBytes = 128 * 1024;

/**
 * Decides whose frame goes next: the highest class that has something to send; inside of it those that have sent little lately; and inside
 * of these each in turn, one data frame at a time.
 */
export class Scheduler {
  readonly #classes: readonly Class[] = order.map(() => ({ light: new Line(), heavy: new Line(), lightRun: 0 }));

  /** It has something to send. Harmless when it waits already. */
  ready(turn: Turn): void {
    if (turn.waiting) return;
    turn.waiting = true;
    const at = order.indexOf(turn.priority);
    // That class is always there.
    const its = this.#classes[at < 0 ? normal : at] as Class;
    (turn.isLight() ? its.light : its.heavy).push(turn);
  }

  /**
   * Adds frames with at most `maxData` bytes of data each to `out`, until there are none or `budget` bytes are reached. No
   * frame is cut for what is left of the budget, so the last one may go beyond it. Returns the bytes.
   */
  pull(out: Uint8Array[], budget: number, maxData: number, room: Room = "all"): number {
    let bytes = 0;
    for (const [at, one] of this.#classes.entries()) {
      if (at >= normal && room === "urgent") break;
      const heavyToo = at < normal || room === "all";
      // What is in the lowest class has been said to be in no hurry.
      if (!heavyToo && at > normal) break;
      bytes += this.#pullClass(one, heavyToo, out, budget - bytes, Math.min(maxData, budget));
    }
    return bytes;
  }

  /** Whether something waits that is not urgent. */
  get bulkWaits(): boolean {
    return this.#classes.some(({ light, heavy }, at) => at >= normal && light.size + heavy.size > 0);
  }

  #pullClass(one: Class, heavyToo: boolean, out: Uint8Array[], budget: number, most: number): number {
    const { light, heavy } = one;
    let bytes = 0;
    while (bytes < budget) {
      const isLight = light.size > 0 && !(heavyToo && heavy.size > 0 && one.lightRun >= lightRunBytes);
      if (!isLight && !(heavyToo && heavy.size > 0)) break;
      const turn = (isLight ? light : heavy).shift();
      if (turn === undefined) break;
      turn.waiting = false;
      const taken = turn.take(out, isLight ? Math.min(most, lightTurnBytes) : most);
      one.lightRun = isLight ? one.lightRun + taken : 0;
      bytes += taken;
      if (turn.sendable()) this.ready(turn);
    }
    return bytes;
  }
}

interface Class {
  readonly light: Line;
  readonly heavy: Line;
  /** Bytes of light ones since a heavy one had its turn. */
  lightRun: number;
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
