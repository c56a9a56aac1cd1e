import type { Clock, Timer } from "../base/clock.ts";
import type { Pace } from "../base/join.ts";

/** Unused time that may be made up for, in milliseconds: it keeps a stream of small pieces from falling behind its rate. */
const burstMs = 250;
/** The longest wait before the rate, which may have been raised meanwhile, is looked at again. Milliseconds. */
const lookMs = 500;

/** Holds all that passes to so many bytes a second. What has passed is paid for afterwards, so that a piece may be larger than the rate. */
export class ByteRate {
  readonly #clock: Clock;
  #perSecond: number | undefined;
  /** Bytes that were too many so far; below 0 for what was not used. */
  #debt = 0;
  #at: number;
  /** Who may go on when nothing is owed any more: one after the other, in the order in which they came. */
  readonly #waiting = new Set<() => void>();
  #timer: Timer | undefined;

  /** Without a number there is no bound. */
  constructor(clock: Clock, perSecond: number | undefined) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#at = clock.monotonic();
  }

  set perSecond(perSecond: number | undefined) {
    this.#settle();
    this.#perSecond = perSecond;
  }

  pay(bytes: number): void {
    this.#settle();
    this.#debt += bytes;
  }

  /** How long nothing more may pass, in milliseconds. */
  get waitMs(): number {
    this.#settle();
    return this.#perSecond === undefined ? 0 : Math.max(0, Math.ceil((this.#debt / this.#perSecond) * 1_000));
  }

  /**
   * Calls `goOn` when it is its turn, and gives what ends the wait. Each has to pay for what it passes before the next has its turn, so
   * that among many who always have something none has more turns than another.
   */
  wait(goOn: () => void): () => void {
    const turn = (): void => goOn();
    this.#waiting.add(turn);
    this.#timer ??= this.#soon();
    return () => {
      this.#waiting.delete(turn);
      if (this.#waiting.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  #soon(): Timer {
    return this.#clock.after(Math.min(this.waitMs, lookMs), () => {
      this.#timer = undefined;
      this.#next();
    });
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined || this.#timer) return;
    if (this.waitMs > 0) {
      this.#timer = this.#soon();
      return;
    }
    this.#waiting.delete(first);
    first();
    // A stream that goes on gives what it holds before that.
    setImmediate(() => this.#next());
  }

  #settle(): void {
    const now = this.#clock.monotonic();
    const passedMs = now - this.#at;
    this.#at = now;
    if (this.#perSecond === undefined) this.#debt = 0;
    else this.#debt = Math.max(-(this.#perSecond * burstMs) / 1_000, this.#debt - (this.#perSecond * passedMs) / 1_000);
  }
}

/** The pace of the slowest of these rates, which one side's bytes share with others'; `passed` is told of each piece. */
export function paceOf(rates: readonly ByteRate[], passed: (bytes: number) => void): Pace {
  let giveUp: (() => void) | undefined;

  function wait(goOn: () => void): void {
    const slow = rates.find(({ waitMs }) => waitMs > 0);
    giveUp = slow?.wait(() => wait(goOn));
    if (!slow) goOn();
  }

  return {
    passed(bytes, goOn) {
      passed(bytes);
      for (const rate of rates) rate.pay(bytes);
      if (rates.every(({ waitMs }) => waitMs === 0)) return false;
      giveUp?.();
      wait(goOn);
      return true;
    },
    end: () => giveUp?.(),
  };
}
