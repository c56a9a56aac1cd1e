/** Grants and the time for which they count. Pure. */
import { PeeringError } from "./error.ts";
import { mostTunnelDecisions, type Peer, type TunnelDecision } from "./peer.ts";
import { withRule } from "./stream-record.ts";

/** A grant lasts so long at most: ten years, in milliseconds. Who means longer means for ever. */
const longestGrantMs = 315_360_000_000;

/** Times by the names of grants, in milliseconds since 1970. */
export type GrantTimes = Readonly<Record<string, number>>;

/** Until when a grant counts, in milliseconds since 1970; undefined for one that counts until it is withdrawn. */
export function untilOf(times: GrantTimes | undefined, grant: string): number | undefined {
  // Names are other people's, and `constructor` would be found in any object.
  return times !== undefined && Object.hasOwn(times, grant) ? times[grant] : undefined;
}

/** The peer with those of its grants that count at this moment, and with the times of no others. */
export function countedNow(peer: Peer, now: number): Peer {
  const { grantsUntil, ...rest } = peer;
  if (grantsUntil === undefined) return peer;
  // Written so that a time which is no number lets nothing through.
  const grants = peer.grants.filter((grant) => (untilOf(grantsUntil, grant) ?? Number.POSITIVE_INFINITY) > now);
  const times = timesOf(grants, grantsUntil);
  return { ...rest, grants, ...(times && { grantsUntil: times }) };
}

/** When the next of these grants ends, in milliseconds since 1970; undefined when none does by itself. */
export function nextEnd(peer: Pick<Peer, "grants" | "grantsUntil">): number | undefined {
  if (peer.grantsUntil === undefined) return undefined;
  const ends = Object.values(timesOf(peer.grants, peer.grantsUntil) ?? {});
  return ends.length > 0 ? Math.min(...ends) : undefined;
}

/**
 * The peer with exactly these grants. One with a lifetime in `lastsMs` (milliseconds, from now) counts for so long; one
 * without it until it is withdrawn, also when it had a time before. Throws `invalid`.
 */
export function setGrants(peer: Peer, grants: readonly string[], lastsMs: GrantTimes, now: number): Peer {
  const { grantsUntil: _, ...rest } = peer;
  const named = Object.keys(lastsMs).find((grant) => !grants.includes(grant));
  if (named !== undefined) {
    throw new PeeringError("invalid", `"${named.slice(0, 63)}" has a lifetime and is not among the grants.`);
  }
  const times = Object.fromEntries(Object.entries(lastsMs).map(([grant, ms]) => [grant, now + checkLifetime(ms)]));
  return { ...rest, grants, ...(grants.length > 0 && Object.keys(times).length > 0 && { grantsUntil: times }) };
}

/** Times for grants that all last equally long, in milliseconds, as an invite gives them; undefined for those without end. */
export function endTogether(
  grants: readonly string[],
  lastMs: number | undefined,
  now: number,
): { grantsUntil: GrantTimes | undefined } {
  if (lastMs === undefined || grants.length === 0) return { grantsUntil: undefined };
  return { grantsUntil: Object.fromEntries(grants.map((grant) => [grant, now + lastMs])) };
}

/** The lifetime, in milliseconds. Throws `invalid` unless grants can last so long. */
export function checkLifetime(ms: number): number {
  if (ms >= 1_000 && ms <= longestGrantMs) return ms;
  throw new PeeringError("invalid", "A grant lasts from one second to ten years, or until it is withdrawn.");
}

/** A grant that a peer had and has no more. */
export interface LostGrant {
  readonly grant: string;
  /** When it ended, if nobody withdrew it but its time was over; milliseconds since 1970. */
  readonly endedAt?: number;
}

/** What a peer may no longer do, and whether it was withdrawn or has come to its end. */
export function lostGrants(before: Peer, after: Peer, now: number): LostGrant[] {
  return before.grants
    .filter((grant) => !after.grants.includes(grant))
    .map((grant) => {
      const endedAt = untilOf(before.grantsUntil, grant);
      return endedAt !== undefined && endedAt <= now ? { grant, endedAt } : { grant };
    });
}

/** For the peer and for the record: which grant is gone, by which rule, and who can give it again. */
export function tellLoss(peer: string, { grant, endedAt }: LostGrant): string {
  const how = endedAt === undefined ? "was withdrawn" : `came to its end at ${new Date(endedAt).toISOString()}`;
  const message = `The grant "${grant}" of peer ${peer} ${how}. The operator of this cluster can give it again: fairlead peer grant ${peer} ${grant} --add`;
  return withRule(message, `grants/${grant}`);
}

/**
 * With this decision in the place of an older one about the same target. When there is no room, what no longer counts goes
 * first, then the oldest approval: without one the peer waits for one anew. What was denied stays for as long as there is
 * anything else, for where no approval is asked for any more it alone keeps the peer away.
 */
export function withDecision(
  decisions: readonly TunnelDecision[],
  decision: TunnelDecision,
  now: number,
): TunnelDecision[] {
  const others = decisions.filter(({ target }) => target !== decision.target);
  const isOver = ({ until }: TunnelDecision): boolean => until !== undefined && until <= now;
  const weight = (one: TunnelDecision): number => (isOver(one) ? 0 : one.verdict === "Approved" ? 1 : 2);
  const ordered = [...others].sort((a, b) => weight(a) - weight(b) || a.at - b.at);
  const gone = new Set(ordered.slice(0, Math.max(0, others.length + 1 - mostTunnelDecisions)));
  return [...others.filter((one) => !gone.has(one)), decision];
}

/** The times of these grants only; undefined when there are none. */
export function timesOf(grants: readonly string[], times: GrantTimes | undefined): GrantTimes | undefined {
  const kept = grants.flatMap((grant) => {
    const until = untilOf(times, grant);
    return until === undefined ? [] : [[grant, until] as const];
  });
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}
