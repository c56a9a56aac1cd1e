/** How a dial is refused: for whoever asked, and for the record. Pure. */
import type { AuditVerdict } from "../audit/entry.ts";
import { withRule } from "../peering/stream-record.ts";
import type { ReachPermission } from "../policy/reach.ts";
import { Reason } from "../wire/reason.ts";
import type { PendingDial } from "./pending.ts";

export interface Refusal {
  readonly reason: Reason;
  readonly message: string;
  /** "failed" when no rule stands against it and it cannot be done all the same. */
  readonly verdict: AuditVerdict;
  readonly rule?: string;
}

const notFound = { reason: Reason.NOT_FOUND, verdict: "denied", rule: "target/not-found" } as const;

/** Of what was looked up among the caller's own, or read from what they wrote. */
export const refusalOf = {
  "not-found": notFound,
  malformed: { ...notFound, rule: "target/malformed" },
  unsupported: { reason: Reason.UNSUPPORTED, verdict: "denied", rule: "target/unsupported" },
  limit: { reason: Reason.OVERLOADED, verdict: "denied", rule: "tunnels/limit" },
  stopping: { reason: Reason.GOING_AWAY, verdict: "failed" },
} as const;

/** What the rules have against it; `pending` is its place among those that wait for a person, if it does. */
export function forbidden(permission: ReachPermission & { allowed: false }, pending: PendingDial | undefined): Refusal {
  const { rule, message } = permission;
  const since = pending ? `; it has waited since ${new Date(pending.since).toISOString()}` : "";
  return {
    reason: Reason.DENIED,
    message: `${withRule(message, rule)}${since}`,
    verdict: pending ? "held" : "denied",
    rule,
  };
}
