/**
 * Where a peer brings carriers of others, because they cannot dial this agent: the peer is their relay. Only one that was
 * granted it may, for each that it brings is a stranger, as if they had come to the peer port.
 */
import type { Duplex } from "node:stream";
import type { Log } from "../base/log.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { Caller } from "../rpc/caller.ts";
import { Reason, StreamError } from "../wire/reason.ts";
import type { IncomingDial } from "../wire/session.ts";
import type { PeeringAuditEntry } from "./audit-entry.ts";
import type { Peer } from "./peer.ts";
import { type StreamRecord, withRule } from "./stream-record.ts";

export interface CarrierDoor {
  /** Takes a dial of a carrier. Returns at once and never throws. */
  open(dial: IncomingDial, caller: Caller): void;
  /** Ends the carriers that this peer has brought, unless it still may; `peer` is undefined when it is no peer any more. */
  review(fingerprint: Fingerprint, peer: Peer | undefined): void;
}

export interface CarrierDoorDeps {
  /** Has whoever is at the other end prove who they are. */
  take(carrier: Duplex, through: Fingerprint): void;
  /** The peer that carries our link to this one; undefined when it is direct. */
  through(peer: string): string | undefined;
  readonly record: Pick<StreamRecord, "note">;
  readonly log: Log;
}

/** The grant by which a peer may bring carriers here. */
export const relayGrant = "relay";
/** Carriers of one relay that may be here at a time, proven and not. Each is a stream of its link. */
const mostCarriers = 1_024;

export function createCarrierDoor(deps: CarrierDoorDeps): CarrierDoor {
  const { log } = deps;
  const brought = new Map<Fingerprint, Set<Duplex>>();

  function refusalOf({ fingerprint, peer = "", grants }: Caller): Refusal | undefined {
    if (!grants.includes(relayGrant)) return { rule: `grants/${relayGrant}`, message: missing(peer) };
    const through = deps.through(peer);
    if (through !== undefined) {
      const message = `peer ${peer} is reached through ${through} itself, and no relay stands behind another`;
      return { rule: "relay/chain", message };
    }
    const count = brought.get(fingerprint)?.size ?? 0;
    if (count < mostCarriers) return undefined;
    return { rule: "relay/carriers", message: `peer ${peer} has brought ${count} carriers, as many as one may` };
  }

  function note(
    { fingerprint, peer, correlation }: Pick<Caller, "fingerprint" | "peer" | "correlation">,
    entry: Pick<PeeringAuditEntry, "action" | "verdict" | "rule" | "message">,
  ): void {
    deps.record.note(fingerprint, { ...entry, actor: { peer, fingerprint }, correlation });
  }

  return {
    open(dial, caller) {
      const refusal = refusalOf(caller);
      const { fingerprint, peer } = caller;
      if (refusal) {
        note(caller, { action: "relay.bring", verdict: "denied", ...refusal });
        log.debug({ peer, rule: refusal.rule }, "a carrier was refused");
        dial.refuse(Reason.DENIED, withRule(refusal.message, refusal.rule));
        return;
      }
      note(caller, { action: "relay.bring", verdict: "allowed" });
      const carrier = dial.accept();
      const all = brought.get(fingerprint) ?? new Set();
      brought.set(fingerprint, all.add(carrier));
      carrier.once("close", () => {
        all.delete(carrier);
        if (all.size === 0 && brought.get(fingerprint) === all) brought.delete(fingerprint);
      });
      deps.take(carrier, fingerprint);
    },

    review(fingerprint, peer) {
      if (peer?.grants.includes(relayGrant)) return;
      const carriers = [...(brought.get(fingerprint) ?? [])];
      if (carriers.length === 0) return;
      const rule = peer ? `grants/${relayGrant}` : "pairing";
      const message = peer ? missing(peer.name) : "the peer was removed";
      log.info({ peer: peer?.name, fingerprint, rule, count: carriers.length }, "carriers revoked");
      note({ fingerprint, peer: peer?.name ?? "" }, { action: "relay.revoke", verdict: "done", rule, message });
      for (const carrier of carriers) carrier.destroy(new StreamError(Reason.REVOKED, withRule(message, rule)));
    },
  };
}

type Refusal = { readonly rule: string; readonly message: string };

function missing(peer: string): string {
  return `peer ${peer} has no grant "${relayGrant}" here, so it may not bring carriers of others; the operator of this cluster can give it: fairlead peer grant ${peer} ${relayGrant} --add`;
}
