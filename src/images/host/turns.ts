/** Lets so many through at a time, and so many wait for their turn, for each key by itself. */

export interface Turns {
  /** Resolves with the function that gives the turn back; with nothing when too many wait. Rejects with the signal's reason. */
  take(key: string, signal: AbortSignal): Promise<(() => void) | undefined>;
}

interface Queue {
  running: number;
  readonly waiting: Set<() => void>;
}

export function createTurns(o: { atOnce: number; mostWaiting: number }): Turns {
  const queues = new Map<string, Queue>();

  function giveBack(key: string, queue: Queue): void {
    const [next] = queue.waiting;
    if (next) {
      queue.waiting.delete(next);
      next();
      return;
    }
    queue.running -= 1;
    if (queue.running === 0) queues.delete(key);
  }

  return {
    async take(key, signal) {
      signal.throwIfAborted();
      const queue = queues.get(key) ?? { running: 0, waiting: new Set() };
      queues.set(key, queue);
      let isBack = false;
      const back = (): void => {
        if (!isBack) giveBack(key, queue);
        isBack = true;
      };
      if (queue.running < o.atOnce) {
        queue.running += 1;
        return back;
      }
      if (queue.waiting.size >= o.mostWaiting) return undefined;
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          queue.waiting.delete(mine);
          reject(signal.reason);
        };
        const mine = (): void => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        };
        queue.waiting.add(mine);
        signal.addEventListener("abort", onAbort, { once: true });
      });
      return back;
    },
  };
}
