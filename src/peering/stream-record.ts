/**
 * What the audit hears of streams across a link, at both ends: each that was let through, refused, or ended because its
 * right is gone; but of many that are alike only the first, the last and their number.
 */
import type { Clock } from "../base/clock.ts";
import { createTally } from "../base/tally.ts";
import { Reason, StreamError } from "../wire/reason.ts";
import type { PeeringAudit, PeeringAuditEntry } from "./audit-entry.ts";

export interface StreamRecord {
  /** `by` is whoever's allowance it takes, so that nobody can fill the record alone. */
  note(by: string, entry: PeeringAuditEntry): void;
  /** Writes down what was only counted so far. */
  close(): void;
}

export function createStreamRecord(deps: { audit: PeeringAudit; clock: Clock }): StreamRecord {
  const tally = createTally<PeeringAuditEntry>({
    clock: deps.clock,
    tell: (entry, count) => deps.audit.record(count > 1 ? { ...entry, message: counted(entry, count) } : entry),
  });
  return {
    note(by, entry) {
      const { action, verdict, rule = "", target = "", actor } = entry;
      const kind = JSON.stringify([action, verdict, rule]);
      tally.note({ who: by, kind, same: JSON.stringify([kind, target, actor.person]), what: entry });
    },
    close: () => tally.close(),
  };
}

function counted({ message }: PeeringAuditEntry, count: number): string {
  return `(the last of ${count} such, of which the others are only counted)${message ? ` ${message}` : ""}`;
}

/** The verdict on a stream that the other end refused or ended, or that never got there, as its opener knows it. */
export function verdictOn(reason: Reason | undefined): "denied" | "failed" {
  return reason === Reason.DENIED || reason === Reason.REVOKED ? "denied" : "failed";
}

/** Whether the other end has ended a stream because a right was withdrawn. */
export function isRevoked(error: unknown): error is StreamError {
  return error instanceof StreamError && error.reason === Reason.REVOKED && error.remote;
}

/** A message with the name of the rule that spoke; {@link ruleIn} finds it there at the other end. */
export function withRule(message: string, rule: string): string {
  return `${message} (rule: ${rule})`;
}

/** The rule that a refusal of the other end names, as it says. */
export function ruleIn(message: string): string | undefined {
  return /\(rule: ([a-z][a-z0-9./-]{0,62})\)/.exec(message)?.[1];
}
