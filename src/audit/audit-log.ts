/** Who asked what, and what became of it: one line of JSON each in the log, and the latest in memory. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type AuditEntry, type AuditRecord, type AuditVerdict, boundEntry, formatRecord } from "./entry.ts";

/** What to show; what is left out does not narrow. */
export interface AuditFilter {
  readonly peer?: string | undefined;
  readonly verdict?: AuditVerdict | undefined;
  readonly action?: string | undefined;
  readonly correlation?: string | undefined;
  /** Milliseconds since 1970. */
  readonly since?: number | undefined;
  /** The latest so many; all that are kept unless given. */
  readonly limit?: number | undefined;
}

export interface AuditLog {
  /** Writes an entry down. Never throws: what is recorded has happened already. */
  record(entry: AuditEntry): AuditRecord;
  /** What is still in memory, oldest first. */
  list(filter?: AuditFilter): AuditRecord[];
}

/** Keeps the latest `keep` entries, 10,000 unless given. */
export function createAuditLog(deps: { clock: Clock; log: Log; keep?: number }): AuditLog {
  const { clock, keep = 10_000 } = deps;
  const log = deps.log.child({ audit: true });
  // A ring: `next` is where the oldest entry stands once the ring is full.
  const ring: AuditRecord[] = [];
  let next = 0;
  let sequence = 0;

  return {
    record(entry) {
      sequence += 1;
      const record: AuditRecord = { ...boundEntry(entry), sequence, at: clock.now() };
      ring[next] = record;
      next = (next + 1) % keep;
      try {
        log.info(formatRecord(record), "audit");
      } catch {
        // A log that fails must not undo what was decided; the record is still in memory.
      }
      return record;
    },
    list(filter = {}) {
      const ordered = [...ring.slice(next), ...ring.slice(0, next)];
      const found = ring.length < keep ? ring : ordered;
      const matching = found.filter((record) => matches(record, filter));
      return filter.limit === undefined ? matching : matching.slice(Math.max(0, matching.length - filter.limit));
    },
  };
}

function matches(record: AuditRecord, filter: AuditFilter): boolean {
  return (
    (filter.peer === undefined || record.actor.peer === filter.peer) &&
    (filter.verdict === undefined || record.verdict === filter.verdict) &&
    (filter.action === undefined || record.action === filter.action) &&
    (filter.correlation === undefined || record.correlation === filter.correlation) &&
    (filter.since === undefined || record.at >= filter.since)
  );
}
