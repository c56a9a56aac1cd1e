/** Which entries somebody wants to see. Pure. */
import type { AuditRecord, AuditVerdict } from "./entry.ts";

/** What to show; what is left out does not narrow. */
export interface AuditFilter {
  readonly peer?: string | undefined;
  readonly verdict?: AuditVerdict | undefined;
  /** As "app.admit", or "app" for all of that noun. */
  readonly action?: string | undefined;
  readonly correlation?: string | undefined;
  /** Only what has to do with such a peer; it is asked with "" for what has to do with none. */
  readonly ofPeers?: ((peer: string) => boolean) | undefined;
  /** Milliseconds since 1970. */
  readonly since?: number | undefined;
  /** The latest so many; all that are kept unless given. */
  readonly limit?: number | undefined;
}

/** Of `records`, oldest first, those that match: the latest `limit` of them, in the same order. */
export function filterRecords(records: readonly AuditRecord[], filter: AuditFilter): AuditRecord[] {
  const matching = records.filter((record) => matches(record, filter));
  return filter.limit === undefined ? matching : matching.slice(Math.max(0, matching.length - filter.limit));
}

function matches(record: AuditRecord, filter: AuditFilter): boolean {
  return (
    (filter.peer === undefined || record.actor.peer === filter.peer) &&
    (filter.ofPeers === undefined || filter.ofPeers(record.actor.peer ?? "")) &&
    (filter.verdict === undefined || record.verdict === filter.verdict) &&
    (filter.action === undefined || isOf(record.action, filter.action)) &&
    (filter.correlation === undefined || record.correlation === filter.correlation) &&
    (filter.since === undefined || record.at >= filter.since)
  );
}

function isOf(action: string, wanted: string): boolean {
  return action === wanted || action.startsWith(`${wanted}.`);
}
