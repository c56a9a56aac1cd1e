/** Who asked what, and what became of it: one line of JSON each in the log, each chained to the one before, and the latest kept. */
import { randomBytes } from "node:crypto";
import { noPrevious } from "../base/audit-line.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type AuditEntry, type AuditRecord, formatRecord, sealEntry } from "./entry.ts";
import { type AuditFilter, filterRecords } from "./filter.ts";
import { type KeptRecords, keepRecords } from "./kept.ts";

export type { AuditFilter } from "./filter.ts";

export interface AuditLog {
  /** Writes an entry down. Never throws and never waits: what is recorded has happened already. */
  record(entry: AuditEntry): AuditRecord;
  /** What is still kept, oldest first. */
  list(filter?: AuditFilter): AuditRecord[];
  /** Calls the listener with each entry from now on, until the answer is called. It must not throw. */
  subscribe(listener: (record: AuditRecord) => void): () => void;
}

export interface AuditLogDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Names this process; random unless given. */
  readonly instance?: string;
  /** How many entries are kept; 10,000 unless given. */
  readonly keep?: number;
  /** The entry that the first one follows; none unless given. */
  readonly after?: Pick<AuditRecord, "sequence" | "hash">;
  /** Where entries are kept; in a list of its own unless given. */
  readonly kept?: KeptRecords;
  /** Told of each entry after it is in the log. */
  recorded?(record: AuditRecord): void;
}

/** How many entries are kept unless said. */
export const keptEntries = 10_000;

/** An audit in memory and in the log. What outlives the process is `open-audit-log.ts`. */
export function createAuditLog(deps: AuditLogDeps): AuditLog {
  const { clock, instance = randomBytes(16).toString("hex"), kept = keepRecords(deps.keep ?? keptEntries) } = deps;
  const log = deps.log.child({ audit: true }, { always: true });
  const listeners = new Set<(record: AuditRecord) => void>();
  let { sequence, hash } = deps.after ?? { sequence: 0, hash: noPrevious };

  return {
    record(entry) {
      const record = sealEntry(entry, { sequence: sequence + 1, at: clock.now(), instance, previous: hash });
      ({ sequence, hash } = record);
      kept.add(record);
      try {
        log.info(formatRecord(record), "audit");
      } catch {
        // A log that fails must not undo what was decided; the entry is kept all the same.
      }
      deps.recorded?.(record);
      for (const listener of [...listeners]) listener(record);
      return record;
    },
    list: (filter = {}) => filterRecords(kept.all(), filter),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
