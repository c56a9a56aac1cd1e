/** Which of two links to the same peer is kept. Pure. */

/** What is known of a link when it is compared with another one. */
export interface LinkFacts {
  /** The instance id of the agent behind it, hex. */
  readonly instance: string;
  /** Whether this end dialled it. */
  readonly dialled: boolean;
  /** When it stood, in milliseconds of the monotonic clock. */
  readonly standsSince: number;
}

export type LinkChoice =
  /** The candidate takes over; the current one is drained. */
  | "take"
  /** The current one stays; the candidate is ours to drain. */
  | "drop"
  /** The current one stays, and the other end will drain the candidate, unless it no longer has the current one. */
  | "spare"
  /** Another process with the same identity: ask on the current link whether anybody is there. */
  | "challenge";

/**
 * A dial that began before the other end's link stood takes no longer than this, in milliseconds. A link that comes later
 * was dialled by an end that no longer has the current one.
 */
export const concurrentMs = 20_000;

/**
 * Both ends may dial at the same moment, and must keep the same one of the two links: the one that the end with the
 * smaller fingerprint (`low`) dialled. Each end sees the two in an order of its own, so the rule must not depend on it.
 * An end that dials again has lost what it had, whether we noticed or not.
 */
export function chooseLink(current: LinkFacts, candidate: LinkFacts, low: boolean): LinkChoice {
  if (current.instance !== candidate.instance) return "challenge";
  if (current.dialled === candidate.dialled) return "take";
  const candidateIsLows = candidate.dialled === low;
  if (candidateIsLows) return "take";
  if (candidate.dialled) return "drop";
  return candidate.standsSince - current.standsSince > concurrentMs ? "take" : "spare";
}
