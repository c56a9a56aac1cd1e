/** What peers want to reach here for the first time, and what a person says to it. */
import type { Clock } from "../base/clock.ts";
import type { PeeringAudit } from "../peering/audit-entry.ts";
import { PeeringError } from "../peering/error.ts";
import { checkLifetime, withDecision } from "../peering/grants.ts";
import type { Peer, TunnelDecision } from "../peering/peer.ts";
import { noSuchPeer, type Roster } from "../peering/roster.ts";
import type { Finding } from "../policy/admission.ts";
import type { ReachCaller, ReachPermission } from "../policy/reach.ts";
import type { NamedTarget } from "../wire/target-text.ts";
import type { PendingDial, PendingDials } from "./pending.ts";

/** A target that waits for a person, or about which one has decided. Times are RFC 3339 in UTC. */
export interface PendingTunnel {
  /** Our name for the peer. */
  readonly peer: string;
  readonly fingerprint: string;
  /** As in "app/shop/web". */
  readonly target: string;
  readonly state: "Held" | "Approved" | "Denied";
  /** Since when it waits; of a decided one, when it was decided. */
  readonly since: string;
  /** When it was asked for last, and how often; of one that waits. */
  readonly lastAskedAt: string;
  readonly count: number;
  /** The rules that hold it. */
  readonly findings: readonly Finding[];
  readonly decision?: {
    readonly verdict: "Approved" | "Denied";
    readonly by: string;
    readonly at: string;
    readonly message: string;
    /** Empty: for ever. */
    readonly until: string;
  };
}

export interface TunnelWord {
  /** Of the peer that the person has seen, so that nobody else who has its name by now is meant. */
  readonly fingerprint: string;
  readonly verdict: "Approved" | "Denied";
  readonly by?: string | undefined;
  readonly message?: string | undefined;
  /** In milliseconds. Of an approval as the policy says, unless given; else for ever. */
  readonly lastsMs?: number | undefined;
}

export interface TunnelInbox {
  /** What waits and what was decided and still counts, oldest first. */
  pending(): PendingTunnel[];
  /** Told when a target begins to wait, or waits no longer. What becomes of decisions is told by the roster. */
  subscribe(listener: () => void): () => void;
  /**
   * Writes a person's word down; it counts at once, also for what is open. What was decided may be decided anew. Throws a
   * `PeeringError`: `not-found` when nothing of the name waits or was decided, `precondition` when the name belongs to
   * another agent by now, `invalid` for a time that cannot be.
   */
  decide(peer: string, target: string, word: TunnelWord, signal: AbortSignal): Promise<PendingTunnel>;
}

export interface TunnelInboxDeps {
  readonly roster: Pick<Roster, "get" | "byFingerprint" | "list" | "update">;
  readonly dials: Pick<PendingDials, "list" | "get" | "delete" | "subscribe">;
  permit(caller: ReachCaller & { readonly fingerprint: string }, target: NamedTarget): ReachPermission;
  /** How long an approval for this peer lasts when nobody says, in milliseconds; for ever when undefined. */
  approvalLastsMs(fingerprint: string): number | undefined;
  readonly audit: PeeringAudit;
  readonly clock: Clock;
}

/** As the resource has it, in characters. */
const longest = { by: 256, message: 1_024 };

export function createTunnelInbox(deps: TunnelInboxDeps): TunnelInbox {
  const { roster, dials, clock } = deps;

  /** Undefined, and forgotten, when it need not wait any more: the rules have changed, or the peer is gone. */
  function heldItem(dial: PendingDial): PendingTunnel | undefined {
    const { fingerprint, name } = dial;
    const peer = roster.byFingerprint(fingerprint);
    const permission = peer && deps.permit({ fingerprint, peer: peer.name, grants: peer.grants }, dial.target);
    if (!peer || !permission || permission.allowed || !permission.held) {
      dials.delete(fingerprint, name);
      return undefined;
    }
    const { rule, message } = permission;
    return {
      peer: peer.name,
      fingerprint,
      target: name,
      state: "Held",
      since: timeOf(dial.since),
      lastAskedAt: timeOf(dial.lastAskedAt),
      count: dial.count,
      findings: [{ rule, field: "", message }],
    };
  }

  function counting(peer: Peer): TunnelDecision[] {
    const now = clock.now();
    return (peer.tunnelDecisions ?? []).filter(({ until }) => until === undefined || until > now);
  }

  return {
    pending() {
      const held = dials.list().flatMap((dial) => heldItem(dial) ?? []);
      const decided = roster.list().flatMap((peer) => counting(peer).map((decision) => decidedItem(peer, decision)));
      return [...held, ...decided].sort((a, b) => (a.since < b.since ? -1 : Number(a.since > b.since)));
    },

    subscribe: (listener) => dials.subscribe(listener),

    async decide(name, target, word, signal) {
      const { fingerprint, verdict } = word;
      const known = roster.get(name);
      if (!known) throw noSuchPeer(name);
      const check = (peer: Peer): Peer => {
        if (peer.fingerprint === fingerprint) return peer;
        throw new PeeringError(
          "precondition",
          `"${name}" is another agent's name by now. Look again: fairlead inbox list`,
        );
      };
      check(known);
      if (!dials.get(fingerprint, target) && !counting(known).some((one) => one.target === target)) {
        throw new PeeringError(
          "not-found",
          `Nothing called "${target.slice(0, 400)}" waits for peer ${name}. See: fairlead inbox list`,
        );
      }
      if (word.lastsMs !== undefined) checkLifetime(word.lastsMs);
      const lastsMs = word.lastsMs ?? (verdict === "Approved" ? deps.approvalLastsMs(fingerprint) : undefined);
      const now = clock.now();
      const decision: TunnelDecision = {
        target,
        verdict,
        at: now,
        ...(word.by && { by: word.by.slice(0, longest.by).toWellFormed() }),
        ...(word.message && { message: word.message.slice(0, longest.message).toWellFormed() }),
        ...(lastsMs !== undefined && { until: now + lastsMs }),
      };
      const change = (peer: Peer): Peer => ({
        ...check(peer),
        tunnelDecisions: withDecision(peer.tunnelDecisions ?? [], decision, now),
      });
      const written = await roster.update(name, change, signal);
      dials.delete(fingerprint, target);
      deps.audit.record({
        action: "tunnel.decide",
        actor: { person: word.by, peer: name, fingerprint },
        target,
        verdict: verdict === "Approved" ? "allowed" : "denied",
        rule: verdict === "Approved" ? "inbox/approved" : "inbox/denied",
        message: word.message,
      });
      return decidedItem(written, decision);
    },
  };
}

function decidedItem({ name, fingerprint }: Peer, decision: TunnelDecision): PendingTunnel {
  const { target, verdict, by = "", message = "", until } = decision;
  const at = timeOf(decision.at);
  return {
    peer: name,
    fingerprint,
    target,
    state: verdict,
    since: at,
    lastAskedAt: "",
    count: 0,
    findings: [],
    decision: { verdict, by, at, message, until: until === undefined ? "" : timeOf(until) },
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
