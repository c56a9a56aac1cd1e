import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** How much passes between two collections. Each byte leaves three to six bytes of garbage, and a collection takes about a millisecond. */
const everyBytes = 8 * 1024 * 1024;

/** The same for all, since there is one heap for the whole process. */
const collect = prepare();

/**
 * Clears away the buffers of one who moves bytes. Buffers live outside of V8's heap, where V8 hardly sees them: left to itself it marks and sweeps all
 * that the process holds each time that buffers have grown by 64 MiB, which was half of what it cost to move bytes, and three quarters
 * beside a large heap. All that such buffers need is a collection of the young part of the heap, whose cost does not depend on
 * what else there is; V8 does one when that part is full, and buffers do not fill it. So it is asked for one now and then.
 */
export class YoungHeap {
  #passed = 0;

  /** So many bytes have passed. Takes a millisecond now and then. */
  passed(bytes: number): void {
    this.#passed += bytes;
    if (this.#passed < everyBytes) return;
    this.#passed = 0;
    collect();
  }
}

function prepare(): () => void {
  // Buffers that are held for long shall count as a part of all memory, and not against those 64 MiB.
  setFlagsFromString("--external-memory-accounted-in-global-limit");
  // Little lives to be moved, and on a busy machine a helping thread is waited for longer than it helps.
  setFlagsFromString("--no-parallel-scavenge");
  // Buffers shall be gone when the collection is over: a thread that gets no turn on a busy machine frees them too late, and V8 collects all for it.
  setFlagsFromString("--no-concurrent-array-buffer-sweeping");
  // V8 reads it when it makes a context; the one that the process runs in gets no such function.
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  if (typeof gc !== "function") return () => undefined;
  return () => void gc({ type: "minor", execution: "sync" });
}
