import type { Clock, Timer } from "../base/clock.ts";

/** How long a link counts as being made after the start or a loss. Milliseconds. */
const graceMs = 10_000;

/** The time in which a link that is not there counts as one that is being made. */
export class Grace {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #until = 0;
  #timer: Timer | undefined;

  /** `onOver` is told when the time is up, unless it was cancelled. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  get lasts(): boolean {
    return this.#clock.monotonic() < this.#until;
  }

  start(): void {
    this.#timer?.cancel();
    this.#until = this.#clock.monotonic() + graceMs;
    this.#timer = this.#clock.after(graceMs, this.#onOver);
    this.#timer.unref?.();
  }

  /** There is none for now; nobody is told. */
  forgo(): void {
    this.#until = 0;
  }

  /** Nobody will be told of its end. */
  cancel(): void {
    this.#timer?.cancel();
  }
}
