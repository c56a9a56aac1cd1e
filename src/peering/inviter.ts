/** The inviter's half of pairing: from a shown token to a stored peer. */

import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { RateLimit } from "../base/rate-limit.ts";
import { SecretText } from "../base/secret-text.ts";
import { type JoinRequest, JoinRefusal_Reason as Refusal } from "../gen/fairlead/peer/v1/pairing_pb.ts";
import { shortWords } from "../identity/short-words.ts";
import { readLinkUrl } from "../link/link-url.ts";
import type { Caller } from "../rpc/caller.ts";
import type { PeeringAudit } from "./audit-entry.ts";
import { PeeringError } from "./error.ts";
import { endTogether } from "./grants.ts";
import type { InviteRecord } from "./invite-record.ts";
import type { Invites, Redeemed } from "./invites.ts";
import type { Peer } from "./peer.ts";
import { findFreeName, toPeerName } from "./peer-name.ts";

import type { Roster } from "./roster.ts";

/** Why a join did not pass, for the joiner. */
export class JoinRefused extends Error {
  override readonly name = "JoinRefused";
  readonly reason: Refusal;

  constructor(reason: Refusal, message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface InviterDeps {
  /** This agent's own. */
  readonly fingerprint: string;
  readonly roster: Roster;
  readonly invites: Invites;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: PeeringAudit;
  /** How many refusals are written down: a stranger must not fill the audit log, nor push out what is in it. */
  readonly noted: RateLimit;
  /** Remembers the words of a pairing, to be shown with the peer. */
  remember(peer: string, words: string): void;
}

/** How often a free name is looked for when others take it meanwhile. */
const attempts = 5;

/**
 * Lets the caller in by its token. Yields "waiting" when a person is asked, and "joined" last. Throws `JoinRefused`, which
 * is logged and audited, as long as there are not too many.
 */
export async function* receiveJoiner(
  deps: InviterDeps,
  caller: Caller,
  request: JoinRequest,
  signal: AbortSignal,
): AsyncGenerator<"waiting" | "joined"> {
  const { log, audit } = deps;
  const actor = { fingerprint: caller.fingerprint, peer: caller.peer };
  try {
    const redeemed = await redeem(deps, caller, request, signal);
    const { record, claim } = redeemed;
    const isKnown = !redeemed.first && deps.roster.byFingerprint(caller.fingerprint) !== undefined;
    if (record.confirm && claim.decision !== "accepted" && !isKnown) {
      const { id } = record;
      log.info({ inviteId: id, fingerprint: caller.fingerprint, words: claim.words }, "a join waits for a person");
      audit.record({ action: "peer.join", actor, target: id, verdict: "held", rule: "invite/confirm" });
      yield "waiting";
      await confirm(deps, record, signal);
    }
    const peer = await storeJoiner(deps, redeemed, caller, readLinkUrl(request.url), signal);
    deps.remember(peer.name, claim.words);
    await deps.invites.settle(record.id, peer.name, signal);
    log.info(
      { peer: peer.name, fingerprint: peer.fingerprint, inviteId: record.id, words: claim.words },
      "peer joined",
    );
    audit.record({ action: "peer.join", actor, target: peer.name, verdict: "allowed", rule: "invite/valid" });
    yield "joined";
  } catch (error) {
    if (!(error instanceof JoinRefused)) throw error;
    if (!deps.noted.take()) throw error;
    const rule = ruleOf(error.reason);
    log.warn({ fingerprint: caller.fingerprint, rule, reason: error.message }, "join refused");
    audit.record({ action: "peer.join", actor, verdict: "denied", rule, message: error.message });
    throw error;
  }
}

type Success = Extract<Redeemed, { ok: true }>;

async function redeem(deps: InviterDeps, caller: Caller, request: JoinRequest, signal: AbortSignal): Promise<Success> {
  const { fingerprint } = caller;
  if (fingerprint === deps.fingerprint) throw new JoinRefused(Refusal.SELF, "An agent cannot join itself.");
  if (request.token.length !== 16) throw new JoinRefused(Refusal.UNKNOWN, "The inviter knows no such invite.");
  const token = new SecretText(Buffer.from(request.token).toString("hex"));
  const claimant = {
    fingerprint,
    name: toPeerName(request.name),
    words: shortWords(deps.fingerprint, fingerprint, token.reveal()),
    at: deps.clock.now(),
  };
  const known = {
    isPeer: deps.roster.byFingerprint(fingerprint) !== undefined,
    removedAt: deps.roster.former(fingerprint)?.removedAt,
  };
  const redeemed = await deps.invites.redeem(token, claimant, known, signal);
  if (!redeemed.ok) throw new JoinRefused(redeemed.reason, redeemed.message);
  return redeemed;
}

async function confirm(deps: InviterDeps, record: InviteRecord, signal: AbortSignal): Promise<void> {
  const leftMs = Math.max(0, record.expiresAt - deps.clock.now());
  const nobody = new JoinRefused(Refusal.UNANSWERED, "Nobody at the inviter answered before the invite expired.");
  const deadline = startDeadline(deps.clock, leftMs, () => nobody, signal);
  try {
    const decision = await deps.invites.decision(record.id, deadline.signal);
    if (decision !== "accepted") throw new JoinRefused(Refusal.DECLINED, "The inviter was asked and declined.");
  } finally {
    deadline.cancel();
  }
}

async function storeJoiner(
  deps: InviterDeps,
  { record, claim, first }: Success,
  caller: Caller,
  url: string | undefined,
  signal: AbortSignal,
): Promise<Peer> {
  const { roster } = deps;
  const { labels } = record;
  const relays = (record.relays ?? []).filter((name) => roster.get(name) !== undefined);
  const carried = relays.length > 0 && { relays };
  for (let attempt = 1; ; attempt += 1) {
    // What the invite gives for a while begins here: whoever waited for a person has lost nothing of it.
    const rights = { grants: record.grants, ...endTogether(record.grants, record.grantsLastMs, deps.clock.now()) };
    const known = roster.byFingerprint(caller.fingerprint);
    if (known) {
      if (!first) return known;
      // It was paired already, and its operator used a new invite: what that one gives is what it gets.
      const merge = (peer: Peer): Peer => ({
        ...peer,
        url,
        ...carried,
        ...rights,
        labels: { ...peer.labels, ...labels },
      });
      return roster.update(known.name, merge, signal);
    }
    const name =
      record.name ??
      roster.former(caller.fingerprint)?.name ??
      findFreeName(claim.name, (one) => roster.nameState(one) !== "free");
    const peer: Peer = {
      name,
      fingerprint: caller.fingerprint,
      caPem: caller.caPem,
      url,
      ...carried,
      labels,
      ...rights,
    };
    try {
      return await roster.add(peer, { reuseName: record.reuseName }, signal);
    } catch (error) {
      if (!(error instanceof PeeringError) || error.code !== "name-taken") throw error;
      if (record.name !== undefined) {
        throw new JoinRefused(
          Refusal.NAME_TAKEN,
          "The name that the inviter chose for you belongs to another peer by now.",
        );
      }
      if (attempt >= attempts) throw error;
    }
  }
}

const rules: Readonly<Record<number, string>> = {
  [Refusal.UNKNOWN]: "invite/unknown",
  [Refusal.USED]: "invite/used",
  [Refusal.EXPIRED]: "invite/expired",
  [Refusal.REVOKED]: "invite/revoked",
  [Refusal.DECLINED]: "invite/declined",
  [Refusal.UNANSWERED]: "invite/unanswered",
  [Refusal.NAME_TAKEN]: "invite/name-taken",
  [Refusal.TOO_MANY_ATTEMPTS]: "invite/too-many-attempts",
  [Refusal.SELF]: "invite/self",
};

function ruleOf(reason: Refusal): string {
  return rules[reason] ?? "invite";
}
