/** The face of this agent to its peers as such: `fairlead.peer.v1.MembershipService`. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { GetFactsResponseSchema, type MembershipService } from "../gen/fairlead/peer/v1/membership_pb.ts";
import { type Caller, callerKey } from "../rpc/caller.ts";
import type { PeeringAudit } from "./audit-entry.ts";
import type { PeerFacts } from "./directory.ts";
import { PeeringError } from "./error.ts";
import type { Roster } from "./roster.ts";
import { createStandings } from "./standing.ts";

export interface MembershipServiceDeps {
  readonly roster: Roster;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: PeeringAudit;
  /** What this agent says of itself. */
  facts(): PeerFacts;
  /** Aborts when peering is closed. */
  readonly closing: AbortSignal;
}

/** How long the peer that leaves has to hear the answer and to end the link, in milliseconds. */
const farewellMs = 500;

export function createMembershipService(deps: MembershipServiceDeps): ServiceImpl<typeof MembershipService> {
  const standings = createStandings(deps.roster);
  return {
    getFacts() {
      const { version, facts } = deps.facts();
      const time = new Date(deps.clock.now()).toISOString();
      return create(GetFactsResponseSchema, { version, facts: { ...facts }, time });
    },
    async *watchStanding(_request, context) {
      const { fingerprint } = context.values.get(callerKey);
      const ended = AbortSignal.any([context.signal, deps.closing]);
      for await (const grants of standings.watch(fingerprint, ended)) yield { grants };
    },
    leave(_request, context) {
      const caller = context.values.get(callerKey);
      if (caller.peer === undefined) throw new ConnectError("Only a peer can leave.", Code.PermissionDenied);
      void forget(deps, caller, caller.peer);
      return {};
    },
  };
}

/** Ends the pairing here once the answer is on its way: the removal ends the link, and the answer with it. */
async function forget(deps: MembershipServiceDeps, caller: Caller, name: string): Promise<void> {
  const { roster, log, audit, closing } = deps;
  const actor = { peer: name, fingerprint: caller.fingerprint };
  try {
    await Promise.race([caller.session?.closed, deps.clock.sleep(farewellMs, closing)]);
    // Its name may be another's by now, if the operator was quick.
    if (roster.get(name)?.fingerprint !== caller.fingerprint) return;
    await roster.remove(name, { workloads: "Keep", forced: false }, closing);
    log.info(actor, "peer left");
    audit.record({ action: "peer.leave", actor, target: name, verdict: "done", message: "Its workloads are kept." });
  } catch (error) {
    if (closing.aborted || (error instanceof PeeringError && error.code === "not-found")) return;
    log.error({ err: error, ...actor }, "a peer left and could not be forgotten: remove it here");
  }
}
