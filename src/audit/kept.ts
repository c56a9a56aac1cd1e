/** The latest entries in memory, oldest first, and no more of them than there is room for. */
import type { AuditRecord } from "./entry.ts";

export interface KeptRecords {
  add(record: AuditRecord): void;
  /** Puts entries from before the process in front, as far as there is room. */
  addOlder(records: readonly AuditRecord[]): void;
  /** Oldest first. */
  all(): readonly AuditRecord[];
}

export function keepRecords(most: number): KeptRecords {
  // `next` is where the oldest entry stands once all the room is used.
  let ring: AuditRecord[] = [];
  let next = 0;

  function all(): AuditRecord[] {
    return ring.length < most ? ring : [...ring.slice(next), ...ring.slice(0, next)];
  }

  return {
    all,
    add(record) {
      ring[next] = record;
      next = (next + 1) % most;
    },
    addOlder(records) {
      const together = [...records, ...all()];
      ring = together.slice(Math.max(0, together.length - most));
      next = ring.length % most;
    },
  };
}
