/** Short news in a corner, which lead to their cause and go by themselves, but not while somebody reads them. */
import { Signal } from "signal-polyfill";
import type { Clock } from "../../../src/base/clock.ts";
import type { Toast } from "../model/toast.ts";

/** Milliseconds. */
const stayMs = 6_000;
const most = 2;

export class Toasts {
  readonly #toasts = new Signal.State<readonly Toast[]>([]);
  readonly #clock: Clock;
  #last = 0;
  #isHeld = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  list(): readonly Toast[] {
    return this.#toasts.get();
  }

  add(toast: Omit<Toast, "id">): void {
    this.#last += 1;
    const id = this.#last;
    this.#toasts.set([...this.#toasts.get(), { ...toast, id }].slice(-most));
    if (!toast.stays) this.#leave(id);
  }

  dismiss(id: number): void {
    this.#toasts.set(this.#toasts.get().filter((toast) => toast.id !== id));
  }

  /** Somebody reads: nothing goes until `release`. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
  }

  #leave(id: number): void {
    this.#clock.after(stayMs, () => (this.#isHeld ? this.#leave(id) : this.dismiss(id)));
  }
}
