/** What time it is, to the second, for all that shows how old something is. */
import { Signal } from "signal-polyfill";
import type { Clock, Timer } from "../../../src/base/clock.ts";

/** Whatever can be read, and tells whoever reads it when it changes. */
export interface Readable<T> {
  get(): T;
}

export interface Ticker extends Readable<number> {
  close(): void;
}

const everyMs = 1_000;

export function createTicker(clock: Clock): Ticker {
  const now = new Signal.State(clock.now());
  let timer: Timer;
  const arm = (): void => {
    timer = clock.after(everyMs, () => {
      now.set(clock.now());
      arm();
    });
  };
  arm();
  return { get: () => now.get(), close: () => timer.cancel() };
}
