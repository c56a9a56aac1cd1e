/** The end of a pairing, here and there. */
import { createClient, type Transport } from "@connectrpc/connect";
import type { Log } from "../base/log.ts";
import { MembershipService } from "../gen/fairlead/peer/v1/membership_pb.ts";
import type { PeeringAudit } from "./audit-entry.ts";
import type { LinkStatus } from "./link-status.ts";
import type { Roster } from "./roster.ts";
import { noSuchPeer } from "./roster.ts";

export interface RemovalOptions {
  /** What becomes of the workloads that the peer runs here. */
  readonly workloads: "Keep" | "Delete";
  /** Who asked for it, for the audit. */
  readonly person?: string | undefined;
}

export interface RemovalDeps {
  readonly roster: Roster;
  readonly log: Log;
  readonly audit: PeeringAudit;
  status(peer: string): LinkStatus;
  transport(peer: string): Transport;
}

/** How long the other end has to answer that it has heard, in milliseconds. */
const leaveTimeoutMs = 3_000;

/**
 * Tells the peer, if it is there, and forgets it. `told` is false when it could not be told: it will be refused when it
 * comes. Its link ends at once. Throws `not-found`.
 */
export async function removePeer(
  deps: RemovalDeps,
  name: string,
  options: RemovalOptions,
  signal: AbortSignal,
): Promise<{ told: boolean }> {
  const { roster, log, audit } = deps;
  const peer = roster.get(name);
  if (!peer) throw noSuchPeer(name);
  // First the word, for the link ends with the removal.
  const told = deps.status(name).state === "connected" && (await tell(deps, name, signal));
  await roster.remove(name, { workloads: options.workloads, forced: !told }, signal);
  log.info({ peer: name, fingerprint: peer.fingerprint, told, workloads: options.workloads }, "peer removed");
  const actor = { person: options.person };
  const message = `${told ? "It was told" : "It could not be told"}; workloads: ${options.workloads}.`;
  audit.record({ action: "peer.remove", actor, target: name, verdict: "done", message });
  return { told };
}

async function tell(deps: RemovalDeps, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await createClient(MembershipService, deps.transport(name)).leave({}, { signal, timeoutMs: leaveTimeoutMs });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    deps.log.info({ err: error, peer: name }, "peer could not be told of its removal");
    return false;
  }
}
