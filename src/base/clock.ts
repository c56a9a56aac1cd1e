/**
 * Time as the rest of the program sees it. Everything that waits, expires or measures takes a `Clock`, so that tests
 * move time by hand and never sleep.
 */

/** A call that was promised for later. */
export interface Timer {
  /** Takes the promise back. Harmless when it was kept already. */
  cancel(): void;
  /** Lets the process exit although this timer still waits. Absent on clocks to which it means nothing. */
  unref?(): void;
}

export interface Clock {
  /** Wall time in milliseconds since 1970 UTC. It may jump; use it for dates, not for durations. */
  now(): number;
  /** Milliseconds since some fixed moment. It never jumps and never goes back; use it for durations. */
  monotonic(): number;
  /** Calls `fn` once, `ms` milliseconds from now. Any length is allowed, also beyond the 24.8 days of `setTimeout`. */
  after(ms: number, fn: () => void): Timer;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node fires a timer at once when its delay does not fit 31 bits, so a longer one is made of several. */
const longestTimeoutMs = 2 ** 31 - 1;

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: startTimer,
  sleep: (ms, signal) => sleepOn(startTimer, ms, signal),
};

/** `sleep` in terms of `after`; every clock shares it, so that a fake one cancels exactly as the real one does. */
export function sleepOn(after: Clock["after"], ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function startTimer(ms: number, fn: () => void): Timer {
  const dueAt = performance.now() + ms;
  let referenced = true;
  let handle = arm();

  function arm(): NodeJS.Timeout {
    const leftMs = Math.max(0, dueAt - performance.now());
    const next =
      leftMs > longestTimeoutMs
        ? setTimeout(() => {
            handle = arm();
          }, longestTimeoutMs)
        : setTimeout(fn, leftMs);
    if (!referenced) next.unref();
    return next;
  }

  return {
    cancel: () => clearTimeout(handle),
    unref: () => {
      referenced = false;
      handle.unref();
    },
  };
}
