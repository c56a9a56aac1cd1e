import type { Clock, Timer } from "../base/clock.ts";

/** What the other end is told at the latest: after so many bytes of counted frames, or so long after the first of them. */
const atBytes = 256 * 1024;
const atMs = 10_000;

export interface ReceiptsDeps {
  readonly clock: Clock;
  /** An Ack is due. */
  acknowledge(): void;
}

/** Counts the frames that have come, of those that count, and acknowledges them now and then. */
export class Receipts {
  readonly #deps: ReceiptsDeps;
  #received = 0;
  #owedBytes = 0;
  #timer: Timer | undefined;
  #hasten = false;

  constructor(deps: ReceiptsDeps) {
    this.#deps = deps;
  }

  /** One more has come, with so many bytes. */
  count(bytes: number): void {
    this.#received += 1;
    this.#owedBytes += bytes;
    if (this.#hasten || this.#owedBytes >= atBytes) this.#acknowledge();
    else if (this.#timer === undefined) {
      this.#timer = this.#deps.clock.after(atMs, () => this.#acknowledge());
      this.#timer.unref?.();
    }
  }

  /** From now on nothing waits: the other end leaves as soon as it knows that all has come. */
  hasten(): void {
    this.#hasten = true;
    this.#acknowledge();
  }

  /** How many have come, which from now on the other end knows. */
  tell(): number {
    this.close();
    this.#owedBytes = 0;
    return this.#received;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #acknowledge(): void {
    this.close();
    this.#owedBytes = 0;
    this.#deps.acknowledge();
  }
}
