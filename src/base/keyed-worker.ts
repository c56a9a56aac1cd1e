/**
 * The work queue of a controller. Work is named by a key, never carried in the queue: whoever runs it reads the present
 * state, so a hundred changes that arrive while one run lasts cost one more run.
 *
 * Promises: one run per key at a time; a key that was added while it ran runs again; a run that fails is tried again,
 * with a wait that doubles; `close` aborts the runs and waits for them.
 */
import { type Backoff, createBackoff } from "./backoff.ts";
import { createBreather } from "./breather.ts";
import type { Clock, Timer } from "./clock.ts";

export interface KeyedWorker {
  /** Runs `key` as soon as there is room, or `afterMs` milliseconds from now. The earliest of several calls counts. */
  add(key: string, afterMs?: number): void;
  /** Aborts what runs, forgets what waits, and resolves when the last run has returned. */
  close(): Promise<void>;
  /** How many keys are due or running; those planned for later do not count. */
  readonly pending: number;
  /** Age in milliseconds of the oldest work that is due and not done; 0 when there is none. Failing work keeps ageing. */
  oldestPendingMs(): number;
}

export interface KeyedWorkerOptions {
  /** Does the work of one key. `againMs` plans the next run although nothing failed. */
  run(key: string, signal: AbortSignal): Promise<void | { againMs: number }>;
  clock: Clock;
  /** How many keys run at once; 4 unless given. */
  concurrency?: number;
  /** Least and longest wait after a failure, in milliseconds; 100 and 30,000 unless given. */
  minMs?: number;
  maxMs?: number;
  /** Told of each failure, with how many there were in a row. */
  onError?(key: string, error: unknown, attempt: number): void;
}

/** What is known about a key that is planned, due or running. A key without work has none. */
interface Entry {
  state: "planned" | "due" | "running";
  /** On the monotonic clock: when the planned run starts. */
  dueAt: number;
  timer?: Timer;
  /** Set while running: the next run that was asked for meanwhile. */
  nextDueAt?: number;
  /** Since when this work is unfinished, on the monotonic clock. */
  since: number;
  failures: number;
  backoff?: Backoff;
}

export function createKeyedWorker(o: KeyedWorkerOptions): KeyedWorker {
  const { clock } = o;
  const concurrency = o.concurrency ?? 4;
  const entries = new Map<string, Entry>();
  const due = new Set<string>(); // Insertion order is the order of service.
  const running = new Map<string, Promise<void>>();
  const closing = new AbortController();
  const breathe = createBreather();

  function add(key: string, afterMs = 0): void {
    if (closing.signal.aborted) return;
    const dueAt = clock.monotonic() + Math.max(0, afterMs);
    const entry = entries.get(key);
    if (!entry) {
      plan(key, { state: "planned", dueAt, since: dueAt, failures: 0 });
    } else if (entry.state === "running") {
      entry.nextDueAt = Math.min(entry.nextDueAt ?? Number.POSITIVE_INFINITY, dueAt);
    } else if (entry.state === "planned" && dueAt < entry.dueAt) {
      entry.dueAt = dueAt;
      if (entry.failures === 0) entry.since = dueAt;
      plan(key, entry);
    }
  }

  function plan(key: string, entry: Entry): void {
    entries.set(key, entry);
    entry.timer?.cancel();
    delete entry.timer;
    const waitMs = entry.dueAt - clock.monotonic();
    entry.state = waitMs > 0 ? "planned" : "due";
    if (waitMs > 0) {
      entry.timer = clock.after(waitMs, () => {
        entry.state = "due";
        due.add(key);
        startDue();
      });
      return;
    }
    due.add(key);
    startDue();
  }

  function startDue(): void {
    for (const key of due) {
      if (running.size >= concurrency) return;
      due.delete(key);
      const entry = entries.get(key);
      if (entry) running.set(key, runOnce(key, entry));
    }
  }

  async function runOnce(key: string, entry: Entry): Promise<void> {
    entry.state = "running";
    delete entry.timer;
    await breathe(); // Also where there is no hurry: `add` never runs the work inside its caller.
    let againAt: number | undefined;
    try {
      closing.signal.throwIfAborted();
      const result = await o.run(key, closing.signal);
      entry.failures = 0;
      delete entry.backoff;
      againAt = result ? clock.monotonic() + result.againMs : undefined;
    } catch (error) {
      if (!closing.signal.aborted) againAt = clock.monotonic() + noteFailure(key, entry, error);
    }
    running.delete(key);
    settle(key, entry, againAt);
    startDue();
  }

  function noteFailure(key: string, entry: Entry, error: unknown): number {
    entry.failures += 1;
    entry.backoff ??= createBackoff({ minMs: o.minMs ?? 100, maxMs: o.maxMs ?? 30_000 });
    try {
      o.onError?.(key, error, entry.failures);
    } catch {
      // A listener that throws must not end the work that it listens to.
    }
    return entry.backoff.next();
  }

  function settle(key: string, entry: Entry, againAt: number | undefined): void {
    entries.delete(key);
    if (closing.signal.aborted) return;
    const next = Math.min(againAt ?? Number.POSITIVE_INFINITY, entry.nextDueAt ?? Number.POSITIVE_INFINITY);
    if (next === Number.POSITIVE_INFINITY) return;
    const kept = entry.backoff ? { backoff: entry.backoff } : {};
    const since = entry.failures > 0 ? entry.since : next;
    plan(key, { state: "planned", dueAt: next, since, failures: entry.failures, ...kept });
  }

  return {
    add,
    get pending() {
      let count = 0;
      for (const entry of entries.values()) if (isUnfinished(entry)) count += 1;
      return count;
    },
    oldestPendingMs() {
      const now = clock.monotonic();
      let oldest = 0;
      for (const entry of entries.values()) {
        if (isUnfinished(entry)) oldest = Math.max(oldest, now - entry.since);
      }
      return oldest;
    },
    async close() {
      closing.abort(new Error("The worker is closing."));
      for (const entry of entries.values()) entry.timer?.cancel();
      due.clear();
      await Promise.all(running.values());
      entries.clear();
    },
  };
}

/** Work that failed stays unfinished while it waits for its next attempt. */
function isUnfinished(entry: Entry): boolean {
  return entry.state !== "planned" || entry.failures > 0;
}
