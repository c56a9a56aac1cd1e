import type { Clock } from "../base/clock.ts";
import type { HeldLink } from "./held-link.ts";

/** There is no link to a peer. The message names the peer, since when, and why. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** Callers wait so long for a link that is being made, in milliseconds. */
const connectWaitMs = 10_000;
/** More than these at a time are turned away: whoever calls so often would not be served by waiting. */
const mostWaiters = 1_000;

interface Waiter {
  resolve(held: HeldLink): void;
  reject(error: unknown): void;
}

/** Those who wait for a link. */
export class LinkWaiters {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rejects with `Unreachable` when the time is up, and with the signal's reason. */
  wait(explain: () => string, signal?: AbortSignal): Promise<HeldLink> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#waiters.size >= mostWaiters) return reject(new Unreachable(explain()));
      const finish = (act: () => void): void => {
        timer.cancel();
        signal?.removeEventListener("abort", onAbort);
        this.#waiters.delete(waiter);
        act();
      };
      const waiter: Waiter = {
        resolve: (held) => finish(() => resolve(held)),
        reject: (error) => finish(() => reject(error)),
      };
      const onAbort = (): void => waiter.reject(signal?.reason);
      const timer = this.#clock.after(connectWaitMs, () => waiter.reject(new Unreachable(explain())));
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  resolveAll(held: HeldLink): void {
    for (const waiter of [...this.#waiters]) waiter.resolve(held);
  }

  rejectAll(message: string): void {
    for (const waiter of [...this.#waiters]) waiter.reject(new Unreachable(message));
  }
}
