import type { Clock } from "./clock.ts";

/** A signal with a time limit of its own. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Takes the limit back; call it in `finally`, or the timer and its listener live until the time is up. */
  cancel(): void;
}

/**
 * Settles as `promise` does, or rejects with the signal's reason as soon as it aborts. What the promise does is not
 * stopped by that, only no longer waited for; a late rejection of it is swallowed.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Aborts after `ms` milliseconds with `reason`, or with the parent's reason as soon as the parent aborts. */
export function startDeadline(clock: Clock, ms: number, reason: () => Error, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  const onParent = (): void => {
    timer.cancel();
    controller.abort(parent?.reason);
  };
  const timer = clock.after(ms, () => {
    parent?.removeEventListener("abort", onParent);
    controller.abort(reason());
  });
  if (parent?.aborted) onParent();
  else parent?.addEventListener("abort", onParent, { once: true });
  return {
    signal: controller.signal,
    cancel() {
      timer.cancel();
      parent?.removeEventListener("abort", onParent);
    },
  };
}
