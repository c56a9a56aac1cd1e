/** Ends a process that hangs in the middle of an input, where no timer of its own would ever fire, and says which input it is. */
import { isMainThread, Worker, workerData } from "node:worker_threads";

/** No input takes a hundredth of that. */
const longestMs = 60_000;

/** Tell it of each seed before it is played. */
export interface Watchdog {
  playing(target: string, seed: number): void;
  close(): Promise<void>;
}

export function startWatchdog(): Watchdog {
  const shared = new SharedArrayBuffer(512);
  const worker = new Worker(new URL(import.meta.url), { workerData: shared });
  worker.unref();
  return {
    playing(target, seed) {
      const text = Buffer.from(`TARGET=${target} SEED=${seed} RUNS=1`);
      Buffer.from(shared).fill(0).set(text);
    },
    async close() {
      await worker.terminate();
    },
  };
}

if (!isMainThread && workerData instanceof SharedArrayBuffer) {
  const now = Buffer.from(workerData);
  let before = Buffer.alloc(0);
  setInterval(() => {
    if (now[0] !== 0 && now.equals(before)) {
      console.error(
        `An input has hung for ${longestMs / 1000} s. Repeat it: make fuzz ${now.toString().replaceAll("\0", "")}`,
      );
      process.kill(process.pid, "SIGKILL");
    }
    before = Buffer.from(now);
  }, longestMs);
}
