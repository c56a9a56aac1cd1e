/**
 * Writes down what people do by calls: each by itself, but for so many that somebody would push out of the audit what others did.
 * Then they are counted.
 */
import type { AuditEntry } from "../../audit/entry.ts";
import type { Clock } from "../../base/clock.ts";
import { createTally } from "../../base/tally.ts";

export interface CallRecord {
  /** `person` is whose allowance it takes. */
  note(person: string, entry: AuditEntry): void;
  /** Writes it down whatever was before. */
  always(entry: AuditEntry): void;
  /** Writes down what was only counted so far. */
  close(): void;
}

/** Of one person at once, and then in a second: more than a script does that deploys all there is, and less than what would matter. */
const allowance = { burst: 1_000, perSecond: 10, apart: 1_000 };

export function createCallRecord(deps: {
  readonly audit: { record(entry: AuditEntry): unknown };
  readonly clock: Clock;
}): CallRecord {
  let calls = 0;
  const tally = createTally<AuditEntry>({
    ...allowance,
    clock: deps.clock,
    tell: (entry, count) => deps.audit.record(count > 1 ? counted(entry, count) : entry),
  });
  return {
    note(person, entry) {
      calls += 1;
      // Two alike are two things that somebody did.
      tally.note({
        who: person,
        same: String(calls),
        kind: JSON.stringify([entry.action, entry.verdict]),
        what: entry,
      });
    },
    always: (entry) => void deps.audit.record(entry),
    close: () => tally.close(),
  };
}

function counted(entry: AuditEntry, count: number): AuditEntry {
  const said = entry.message === undefined ? "" : ` ${entry.message}`;
  return { ...entry, message: `(the last of ${count} such, of which the others are only counted)${said}` };
}
