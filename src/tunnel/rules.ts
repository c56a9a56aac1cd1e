/** What a peer may reach here, from its grants, the policy and what a person has decided. */
import type { Clock } from "../base/clock.ts";
import type { Roster } from "../peering/roster.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { permitTunnel, standsAgainst } from "../policy/reach.ts";
import type { NamedTarget } from "../wire/target-text.ts";
import type { ExitCaller } from "./exit-caller.ts";
import type { TunnelDeps } from "./tunnel.ts";

/** Reads what counts at each question. */
export function createTunnelRules(deps: {
  /** Undefined for who is no peer. */
  policyOf(fingerprint: string): EffectivePolicy | undefined;
  roster: Pick<Roster, "byFingerprint">;
  clock: Clock;
}): Pick<TunnelDeps, "permit" | "approvalLastsMs"> & {
  /** What the policy says of tunnels, for a caller whom nothing stands against of this kind as a whole. */
  rulesFor(caller: ExitCaller, kind: NamedTarget["kind"]): EffectivePolicy["tunnels"] | undefined;
} {
  return {
    rulesFor(caller, kind) {
      const policy = deps.policyOf(caller.fingerprint);
      if (!policy || standsAgainst(caller, kind, policy, deps.clock.now())) return undefined;
      return policy.tunnels;
    },
    permit(caller, target) {
      const policy = deps.policyOf(caller.fingerprint);
      const peer = deps.roster.byFingerprint(caller.fingerprint);
      if (!policy || !peer) return { allowed: false, rule: "pairing", message: "only a paired peer may reach things" };
      return permitTunnel(caller, target, policy, peer.tunnelDecisions ?? [], deps.clock.now());
    },
    approvalLastsMs: (fingerprint) => deps.policyOf(fingerprint)?.tunnels.approvalLastsMs,
  };
}
