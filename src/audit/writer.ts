/**
 * Brings entries into storage behind the back of whoever records: in batches, tried again until it succeeds, never over what has not
 * been read. Another agent that writes meanwhile is noticed by the version of what it wrote; then this one reads again and goes on
 * behind it.
 */
import { createBackoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type AuditRecord, formatRecord } from "./entry.ts";
import {
  type AuditStore,
  extendSegment,
  inOrder,
  ringPlaces,
  type Segment,
  type StoredSegment,
  segmentEntries,
} from "./store.ts";

export interface AuditWriter {
  /** Returns at once. */
  add(record: AuditRecord): void;
  /** The entries that are not in storage yet, as lines, oldest first. */
  unwritten(): readonly UnwrittenEntry[];
  /** How long the oldest of them has waited, in milliseconds. */
  oldestUnwrittenMs(): number;
  /** Writes what waits, within `withinMs` milliseconds; what is left then is in the log alone, which says so. */
  close(withinMs: number): Promise<void>;
}

export interface UnwrittenEntry {
  readonly hash: string;
  readonly line: string;
  /** When it was added, on the monotonic clock. */
  readonly since: number;
}

export interface AuditWriterDeps {
  readonly store: AuditStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of what was read when it could not be read at the start. */
  readLate?(stored: readonly StoredSegment[]): void;
  /** From 0 up to 1, for jitter; `Math.random` unless given. */
  readonly random?: () => number;
}

/** The least time between two writes, in milliseconds: what a crash can keep from storage. */
const gapMs = 2_000;
const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
/** Between attempts while the agent ends, in milliseconds. */
const closingRetryMs = 200;
/** Entries that wait at most: as many as are kept. The log has those that had to give way. */
const mostWaiting = 10_000;
/** An agent that another one gets ahead of so often in a row waits before it tries again. */
const mostConflicts = 5;

/** What is stored, as far as a writer has to know it. */
interface Ring {
  /** By place; absent where nothing is. */
  readonly versions: Map<number, string>;
  /** The latest segment. */
  open: Segment;
}

/** `stored` is what was read at the start; undefined when it could not be, so that it has to be read before anything is written. */
export function createAuditWriter(deps: AuditWriterDeps, stored: readonly StoredSegment[] | undefined): AuditWriter {
  const { store, clock, log } = deps;
  const backoff = createBackoff({
    minMs: firstRetryMs,
    maxMs: longestRetryMs,
    ...(deps.random && { random: deps.random }),
  });
  const ending = new AbortController();
  let waiting: UnwrittenEntry[] = [];
  let ring = stored && ringOf(stored);
  let unread = stored === undefined;
  let timer: Timer | undefined;
  let running: Promise<boolean> | undefined;
  let failing = false;
  let dropped = 0;
  let closed = false;

  function plan(ms: number): void {
    if (timer || running || closed) return;
    timer = clock.after(ms, () => {
      timer = undefined;
      void run();
    });
    timer.unref?.();
  }

  /** Tries once; true when nothing waits any more. */
  function run(): Promise<boolean> {
    running ??= flush(ending.signal)
      .then(succeed, fail)
      .finally(() => {
        running = undefined;
        if (waiting.length > 0) plan(failing ? backoff.next() : gapMs);
      });
    return running;
  }

  function succeed(): boolean {
    if (failing || dropped > 0) log.info({ dropped }, "the audit is stored again");
    backoff.reset();
    failing = false;
    dropped = 0;
    return waiting.length === 0;
  }

  function fail(error: unknown): boolean {
    if (!failing && !ending.signal.aborted) {
      const fields = { err: error, waiting: waiting.length };
      log.error(fields, "the audit cannot be stored; it is complete in this log, and is tried again");
    }
    failing = true;
    return false;
  }

  async function flush(signal: AbortSignal): Promise<void> {
    let conflicts = 0;
    ring ??= await readRing(signal);
    while (waiting.length > 0) {
      const { open, versions }: Ring = ring;
      const batch = waiting.slice(0, segmentEntries);
      const { segment, taken } = extendSegment(
        open,
        batch.map(({ line }) => line),
      );
      const place = segment.index % ringPlaces;
      const version = await store.write(segment, versions.get(place), signal);
      if (version !== undefined) {
        versions.set(place, version);
        ring.open = segment;
        settle(new Set(batch.slice(0, taken).map(({ hash }) => hash)));
        continue;
      }
      conflicts += 1;
      ring = await readRing(signal);
      if (conflicts === mostConflicts) throw new Error("Other agents write the audit faster than this one can follow.");
    }
  }

  async function readRing(signal: AbortSignal): Promise<Ring> {
    const read = await store.read(signal);
    if (unread) {
      unread = false;
      deps.readLate?.(read);
    }
    // An answer that was lost leaves entries written that seem to wait.
    const lines = new Set(inOrder(read).flatMap((segment) => segment.lines));
    settle(new Set(waiting.filter(({ line }) => lines.has(line)).map(({ hash }) => hash)));
    return ringOf(read);
  }

  function settle(written: ReadonlySet<string>): void {
    waiting = waiting.filter(({ hash }) => !written.has(hash));
  }

  function dropOldest(): void {
    if (dropped === 0) {
      log.error(
        { kept: mostWaiting },
        "too much of the audit waits to be stored; its oldest entries are in this log alone",
      );
    }
    dropped += 1;
    waiting.shift();
  }

  return {
    add(record) {
      if (waiting.length === mostWaiting) dropOldest();
      waiting.push({ hash: record.hash, line: JSON.stringify(formatRecord(record)), since: clock.monotonic() });
      plan(gapMs);
    },
    unwritten: () => waiting,
    oldestUnwrittenMs: () => (waiting[0] ? clock.monotonic() - waiting[0].since : 0),
    async close(withinMs) {
      closed = true;
      timer?.cancel();
      const limit = clock.after(withinMs, () => ending.abort(new Error("The agent ends.")));
      while (waiting.length > 0 && !ending.signal.aborted) {
        if (!(await run())) await clock.sleep(closingRetryMs, ending.signal).catch(() => undefined);
      }
      limit.cancel();
      if (waiting.length > 0)
        log.error({ entries: waiting.length }, "the latest of the audit is in this log and not in storage");
    },
  };
}

function ringOf(stored: readonly StoredSegment[]): Ring {
  const versions = new Map(stored.map(({ place, version }) => [place, version]));
  return { versions, open: inOrder(stored).at(-1) ?? { index: 0, lines: [] } };
}
