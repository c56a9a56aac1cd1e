/** Who may have an invite. Pure. */
import { timingSafeEqual } from "node:crypto";
import { JoinRefusal_Reason as Refusal } from "../gen/fairlead/peer/v1/pairing_pb.ts";
import type { InviteClaim, InviteRecord } from "./invite-record.ts";

export type RedeemVerdict =
  /** Nobody has it yet: write `record` and it is theirs. */
  | { readonly kind: "claim"; readonly record: InviteRecord }
  /** It is theirs already; go on where they were. */
  | { readonly kind: "resume"; readonly claim: InviteClaim }
  | { readonly kind: "refuse"; readonly reason: Refusal; readonly message: string };

/** A joiner, with the time at which it came. */
export type Claimant = Pick<InviteClaim, "fingerprint" | "name" | "words" | "at">;

/**
 * `removedAt` is when the claimant was removed from the roster, if ever; `isPeer` whether it is in it now. An agent that
 * was removed after it had joined must not come back with the same invite.
 */
export function judgeRedeem(
  record: InviteRecord | undefined,
  tokenHash: string,
  claimant: Claimant,
  known: { isPeer: boolean; removedAt?: number | undefined },
): RedeemVerdict {
  if (!record || !isSameHash(record.tokenHash, tokenHash)) {
    return refuse(
      Refusal.UNKNOWN,
      "The inviter knows no such invite: it was withdrawn, or its end was long ago. Ask for a new one.",
    );
  }
  const { claim } = record;
  if (claim && claim.fingerprint !== claimant.fingerprint) {
    return refuse(Refusal.USED, "Another agent has used this invite. Ask for a new one, and find out who that was.");
  }
  // Both halves are there or a person has to repeat nothing: also after the invite's end.
  if (claim && known.isPeer) return { kind: "resume", claim };
  if (record.revoked) return refuse(Refusal.REVOKED, "The invite was withdrawn by the inviter. Ask for a new one.");
  if (claimant.at >= record.expiresAt) {
    const at = new Date(record.expiresAt).toISOString();
    return refuse(Refusal.EXPIRED, `The invite expired at ${at} by the inviter's clock. Ask for a new one.`);
  }
  if (!claim) return { kind: "claim", record: { ...record, claim: claimant } };
  if (claim.decision === "declined") return refuse(Refusal.DECLINED, "The inviter was asked and declined.");
  if (claim.joinedAs !== undefined || (known.removedAt ?? 0) > claim.at) {
    return refuse(
      Refusal.USED,
      "This invite was used, and the peer that it made was removed since. Ask for a new one.",
    );
  }
  return { kind: "resume", claim };
}

function refuse(reason: Refusal, message: string): RedeemVerdict {
  return { kind: "refuse", reason, message };
}

function isSameHash(a: string, b: string): boolean {
  const left = Buffer.from(a, "hex");
  const right = Buffer.from(b, "hex");
  return left.length === right.length && left.length > 0 && timingSafeEqual(left, right);
}
