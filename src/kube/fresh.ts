/** What was looked up by a key, good for a while and for all who ask meanwhile: many who ask at once are one question. */

import { abortable, startDeadline } from "../base/abort.ts";
import { BoundedMap } from "../base/bounded-map.ts";
import type { Clock } from "../base/clock.ts";
import { KubeError } from "./errors.ts";

export interface FreshDeps<T> {
  look(key: string, signal: AbortSignal): Promise<T>;
  readonly clock: Clock;
  /** For how long it is good, and how long one look may take; in milliseconds. */
  readonly freshMs: number;
  readonly timeoutMs: number;
  /** Keys that are remembered. */
  readonly most: number;
}

/** Rejects as `look` does, with a `KubeError` when it takes too long, and with the signal's reason. What failed is asked for anew by the next. */
export function createFresh<T>(deps: FreshDeps<T>): (key: string, signal: AbortSignal) => Promise<T> {
  const { clock, timeoutMs } = deps;
  const known = new BoundedMap<string, { readonly at: number; readonly value: Promise<T> }>(deps.most);

  async function look(key: string): Promise<T> {
    const tooLate = () => new KubeError({ status: 0, reason: "TimedOut", message: "The API server did not answer." });
    const deadline = startDeadline(clock, timeoutMs, tooLate);
    try {
      return await abortable(deps.look(key, deadline.signal), deadline.signal);
    } finally {
      deadline.cancel();
    }
  }

  return (key, signal) => {
    const before = known.get(key);
    if (before && clock.monotonic() - before.at < deps.freshMs) return abortable(before.value, signal);
    const now = { at: clock.monotonic(), value: look(key) };
    now.value.catch(() => known.get(key) === now && known.delete(key));
    known.set(key, now);
    return abortable(now.value, signal);
  };
}
