/**
 * Everything that another agent opens comes through here and is judged anew: who is behind the link now, and may they.
 * What a peer may do in detail is judged by who serves it, from the caller's grants and the policy.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { createRateLimit } from "../base/rate-limit.ts";
import { PairingService } from "../gen/fairlead/peer/v1/pairing_pb.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { Link } from "../link/link.ts";
import type { Caller } from "../rpc/caller.ts";
import { Reason } from "../wire/reason.ts";
import type { IncomingDial, IncomingRpc, IncomingStream, Session } from "../wire/session.ts";
import { streamName } from "../wire/stream-name.ts";
import type { PeeringAudit } from "./audit-entry.ts";
import { endedBy } from "./call-rights.ts";
import { lostGrants, tellLoss } from "./grants.ts";
import type { Roster } from "./roster.ts";
import type { Standing } from "./switchboard.ts";

export interface Gate {
  /** Takes a stream that the other end of a link has opened. Returns at once and never throws. */
  accept(link: Link, stream: IncomingStream): void;
  close(): void;
}

export interface GateDeps {
  readonly roster: Roster;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: PeeringAudit;
  standing(link: Link): Standing;
  /** Answers a call; resolves when its handler has ended, and never rejects. */
  serveRpc(incoming: IncomingRpc, caller: Caller): Promise<void>;
  /** Answers a dial. Must not throw. */
  serveDial(incoming: IncomingDial, caller: Caller): void;
}

const pairingPath = `/${PairingService.typeName}/`;
/** Streams of one link that wait until it is known who is behind it. */
const mostHeld = 64;
/** A guest that was refused so often has come for something else. */
const mostRefusals = 8;
/** Calls of one guest at a time: it has one thing to say, and each call that is open takes room that peers need. */
const mostGuestCalls = 4;

export function createGate(deps: GateDeps): Gate {
  const { roster, log, audit } = deps;
  const open = new Map<Fingerprint, Set<IncomingRpc>>();
  const held = new WeakMap<Link, number>();
  const refusals = new WeakMap<Link, number>();
  const guestCalls = new WeakMap<Link, number>();
  // A stranger must not fill the audit log; what is over this is in the debug log only.
  const audited = createRateLimit({ clock: deps.clock, burst: 60, perSecond: 1 });
  const unsubscribe = roster.subscribe(({ name, before, after }) => {
    // Who is no peer any more has no link any more, and no calls on it.
    if (!before || !after) return;
    const lost = lostGrants(before, after, deps.clock.now());
    for (const call of lost.length > 0 ? (open.get(after.fingerprint) ?? []) : []) {
      const missing = endedBy(call.path, lost);
      if (!missing) continue;
      log.info({ peer: name, path: call.path, grant: missing.grant }, "call revoked");
      call.stream.reset(Reason.REVOKED, tellLoss(name, missing));
    }
  });

  function accept(link: Link, incoming: IncomingStream): void {
    const standing = deps.standing(link);
    switch (standing.kind) {
      case "peer": {
        const { name: peer, grants } = standing.peer;
        serve(incoming, { ...known(link, incoming), guest: false, peer, grants });
        break;
      }
      case "guest":
        if (incoming.kind === "rpc" && incoming.path.startsWith(pairingPath)) {
          serveGuest(link, incoming);
        } else refuseGuest(link, incoming);
        break;
      case "undecided":
        hold(link, incoming, standing.settled);
        break;
      case "unknown":
        refuse(incoming, Reason.GOING_AWAY, "This link does not count any more.");
        break;
    }
  }

  function serveGuest(link: Link, incoming: IncomingRpc): void {
    const calls = guestCalls.get(link) ?? 0;
    if (calls >= mostGuestCalls) {
      refuseGuest(link, incoming);
      return;
    }
    guestCalls.set(link, calls + 1);
    void deps.serveRpc(incoming, { ...known(link, incoming), guest: true, grants: [] }).then(() => {
      guestCalls.set(link, (guestCalls.get(link) ?? 1) - 1);
    });
  }

  function serve(incoming: IncomingStream, caller: Caller): void {
    if (incoming.kind === "dial") {
      deps.serveDial(incoming, caller);
      return;
    }
    const done = deps.serveRpc(incoming, caller);
    const calls = open.get(caller.fingerprint) ?? new Set();
    open.set(caller.fingerprint, calls.add(incoming));
    void done.then(() => {
      calls.delete(incoming);
      if (calls.size === 0 && open.get(caller.fingerprint) === calls) open.delete(caller.fingerprint);
    });
  }

  function hold(link: Link, incoming: IncomingStream, settled: Promise<void>): void {
    const count = (held.get(link) ?? 0) + 1;
    if (count > mostHeld) {
      refuse(incoming, Reason.OVERLOADED, "Too much was asked before it was known who asks.");
      return;
    }
    held.set(link, count);
    void settled.then(() => {
      held.set(link, (held.get(link) ?? 1) - 1);
      accept(link, incoming);
    });
  }

  function refuseGuest(link: Link, incoming: IncomingStream): void {
    const target = incoming.kind === "rpc" ? incoming.path : `dial ${incoming.target.kind.case ?? ""}`;
    const message = "Only a peer may ask this. Pair first, with an invite from this agent's operator.";
    const { fingerprint, remoteAddress } = link;
    if (audited.take()) {
      log.warn({ fingerprint, address: remoteAddress, target: target.slice(0, 200) }, "guest refused");
      audit.record({
        action: "stream.open",
        actor: { fingerprint },
        target,
        verdict: "denied",
        rule: "guest",
        message,
        correlation: nameOf(link.session, incoming),
      });
    }
    const count = (refusals.get(link) ?? 0) + 1;
    refusals.set(link, count);
    if (count >= mostRefusals) link.close({ reason: Reason.DENIED, message });
    else refuse(incoming, Reason.DENIED, message);
  }

  return {
    accept,
    close() {
      unsubscribe();
      open.clear();
    },
  };
}

type Known = Pick<Caller, "fingerprint" | "caPem" | "session" | "correlation">;

function known({ fingerprint, caPem, session }: Link, incoming: IncomingStream): Known {
  return { fingerprint, caPem, session, correlation: nameOf(session, incoming) };
}

function nameOf(session: Session, incoming: IncomingStream): string {
  return streamName(session, incoming.kind === "rpc" ? incoming.stream.id : incoming.id);
}

function refuse(incoming: IncomingStream, reason: Reason, message: string): void {
  if (incoming.kind === "dial") incoming.refuse(reason, message);
  else incoming.stream.reset(reason, message);
}
