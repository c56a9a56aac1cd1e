/** Peers as relays: whether one can bring others here, and which one may have which. */
import type { Fingerprint } from "../identity/fingerprint.ts";
import { relayGrant } from "./carrier-door.ts";
import { behindAnother } from "./dial-peer.ts";
import { PeeringError } from "./error.ts";
import { mostRelays } from "./peer.ts";
import { noSuchPeer, type Roster } from "./roster.ts";
import type { Switchboard } from "./switchboard.ts";

/** The fingerprint of a peer that can bring others here now. Throws a `PeeringError` that says what is missing. */
export function checkRelay(
  deps: { roster: Pick<Roster, "get">; switchboard: Pick<Switchboard, "status"> },
  name: string,
): Fingerprint {
  const peer = deps.roster.get(name);
  if (!peer) throw noSuchPeer(name);
  if (!peer.grants.includes(relayGrant)) {
    const message = `${name} may not bring carriers here. Let it: fairlead peer grant ${name} ${relayGrant} --add`;
    throw new PeeringError("precondition", message);
  }
  const { state, through, lastError } = deps.switchboard.status(name);
  if (state !== "connected") {
    const why = lastError ? ` (${lastError})` : "";
    const message = `${name} is not connected, so nobody could come through it${why}. Try: fairlead peer reconnect ${name}`;
    throw new PeeringError("precondition", message);
  }
  if (through !== undefined) {
    throw new PeeringError("precondition", behindAnother(name, through));
  }
  return peer.fingerprint;
}

/** Throws a `PeeringError` when the peer cannot be given these relays. */
export function checkRelays(roster: Pick<Roster, "get">, peer: string, relays: readonly string[]): void {
  if (relays.length > mostRelays) throw new PeeringError("invalid", `A peer has ${mostRelays} relays at most.`);
  for (const relay of relays) {
    if (relay === peer) throw new PeeringError("invalid", `${peer} cannot be its own relay.`);
    if (!roster.get(relay)) throw noSuchPeer(relay);
  }
}
