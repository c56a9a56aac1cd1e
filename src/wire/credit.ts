import type { LinkBudget } from "./budget.ts";
import { judgeWindow } from "./window.ts";

/** The other end's permission to send: spent by data, added to by Credit frames. */
export class SendCredit {
  #available: number;

  constructor(initial: number) {
    this.#available = initial;
  }

  get available(): number {
    return this.#available;
  }

  /** Only what is available may be spent. */
  spend(bytes: number): void {
    this.#available -= bytes;
  }

  /** False when the sum is beyond what a number can count; the grant was then not taken. */
  add(bytes: bigint): boolean {
    const sum = BigInt(this.#available) + bytes;
    if (sum > BigInt(Number.MAX_SAFE_INTEGER)) return false;
    this.#available = Number(sum);
    return true;
  }
}

/** When it is, and how far the other end is: what a window is judged by. */
export interface Pace {
  readonly nowMs: number;
  readonly roundTripMs: number | undefined;
}

/**
 * What this end has permitted the other to send on a stream: the window, which is what may still come, what came and was not read, and what
 * was read and not given back. The last is given in portions of a quarter: rarely enough to cost nothing, early enough
 * that a sender never waits for a reader who keeps up. The link's budget holds the window for as long as it is promised.
 */
export class ReceiveCredit {
  readonly #budget: LinkBudget;
  readonly #most: number;
  readonly #first: number;
  #size: number;
  /** Bytes that may still come. */
  #left: number;
  /** Bytes that were read and not given back. */
  #owed = 0;
  #readInAll = 0;
  /** When the window was last looked at, and what was read by then and held; it never was as long as that is undefined. */
  #lookedAt = 0;
  #readThen = 0;
  #heldThen: number | undefined;
  /** Whether more may come, and whether anybody reads it. */
  #phase: "open" | "ended" | "dropped" | "closed" = "open";

  /** `window` has been taken from the budget; it never grows beyond `most`. */
  constructor(window: number, most: number, budget: LinkBudget) {
    this.#size = window;
    this.#first = window;
    this.#left = window;
    this.#most = most;
    this.#budget = budget;
  }

  /** Bytes that came and were not read. */
  get held(): number {
    return this.#size - this.#left - this.#owed;
  }

  /** Whether nothing more may come before something is read. */
  get usedUp(): boolean {
    return this.#phase === "open" && this.#left === 0 && this.#owed === 0;
  }

  /** Data has come. False when there was no credit for it. */
  arrived(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    if (this.#phase === "dropped") this.#shrink(bytes);
    else this.#budget.held += bytes;
    return true;
  }

  /** The reader has consumed bytes. True when enough is owed to be worth a frame. */
  consumed(bytes: number): boolean {
    if (this.#phase === "dropped" || this.#phase === "closed") return false;
    this.#budget.held -= bytes;
    if (this.#phase === "ended") {
      this.#shrink(bytes);
      return false;
    }
    this.#readInAll += bytes;
    this.#owed += bytes;
    return this.#owed * 4 >= this.#size;
  }

  /** What is owed, given from now on, with what the window has grown by; for the Credit frame. */
  give(pace: Pace): number {
    if (this.#phase !== "open") return 0;
    const bytes = this.#owed + this.#look(pace);
    this.#owed = 0;
    this.#left += bytes;
    return bytes;
  }

  /** Nothing more will come: only what was not read counts from now on. */
  end(): void {
    if (this.#phase === "dropped") this.close();
    if (this.#phase !== "open") return;
    this.#phase = "ended";
    const unused = this.#left + this.#owed;
    this.#left = 0;
    this.#owed = 0;
    this.#shrink(unused);
  }

  /** Nobody reads what came, or what still comes: that much the other end may send, and no more. */
  drop(): void {
    if (this.#phase === "ended") this.close();
    if (this.#phase !== "open") return;
    this.#phase = "dropped";
    this.#budget.held -= this.held;
    this.#owed = 0;
    this.#shrink(this.#size - this.#left);
  }

  /** Nothing more comes, and nobody reads what did. */
  close(): void {
    if (this.#phase === "closed") return;
    this.#budget.held -= this.held;
    this.#phase = "closed";
    this.#left = 0;
    this.#owed = 0;
    this.#shrink(this.#size);
  }

  /** Judges the window; what it changes by, at most by what is owed if it shrinks. */
  #look({ nowMs, roundTripMs }: Pace): number {
    const { held } = this;
    const before = this.#heldThen;
    const verdict =
      before === undefined
        ? "keep"
        : judgeWindow({
            size: this.#size,
            held: Math.max(held, before),
            read: this.#readInAll - this.#readThen,
            elapsedMs: nowMs - this.#lookedAt,
            readInAll: this.#readInAll,
            roundTripMs,
          });
    if (verdict === "wait") return 0;
    this.#lookedAt = nowMs;
    this.#readThen = this.#readInAll;
    this.#heldThen = held;
    if (verdict === "double") return this.#grow();
    return verdict === "halve" ? -this.#halve() : 0;
  }

  #grow(): number {
    const more = Math.min(this.#size, this.#most - this.#size);
    if (more <= 0 || !this.#budget.grow(more)) return 0;
    this.#size += more;
    return more;
  }

  #halve(): number {
    const less = Math.min(this.#size - Math.max(this.#first, this.#size >> 1), this.#owed);
    if (less <= 0) return 0;
    this.#shrink(less);
    return less;
  }

  #shrink(bytes: number): void {
    const grown = Math.min(bytes, Math.max(0, this.#size - this.#first));
    this.#size -= bytes;
    this.#budget.release(bytes - grown, grown);
  }
}
