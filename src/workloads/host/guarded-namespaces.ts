/** The namespaces of peers with all that guards them, as one thing. */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import type { Roster } from "../../peering/roster.ts";
import { createGuards, type GuardPolicies } from "./guards.ts";
import { type AgentPlace, createFactFinder } from "./guards-facts.ts";
import { createGuardRounds, type GuardRounds } from "./guards-rounds.ts";
import { createPeerNamespaces, type PeerNamespaces } from "./namespace.ts";
import { createTenantRights } from "./tenant-rights.ts";

export interface GuardedNamespaces extends PeerNamespaces {
  /** Age of the oldest unfinished work, in milliseconds; for health. */
  oldestPendingMs(): number;
  close(): Promise<void>;
}

export function createGuardedNamespaces(deps: {
  client: KubeClient;
  roster: Pick<Roster, "subscribe">;
  policies: GuardPolicies & { subscribe(fn: (fingerprint: string) => void): () => void };
  /** The ClusterRole that the agent binds to itself in each peer's namespace; nothing is bound unless given. */
  tenantRole: string | undefined;
  place: AgentPlace;
  /** A peer's namespace that was not guarded as it should be is so again: what was refused for that may be asked for. */
  onGuarded(fingerprint: string): void;
  clock: Clock;
  log: Log;
}): GuardedNamespaces {
  const { client, roster, policies, clock, log } = deps;
  const facts = createFactFinder({ client, place: deps.place, clock, log });
  const rights = createTenantRights({ client, role: deps.tenantRole, clock });
  // Nothing drifts before the first namespace is kept, and that is asked for by the rounds or after them.
  const guards = createGuards({
    client,
    policies,
    facts,
    onDrift: (namespace) => rounds.drifted(namespace),
    clock,
    log,
  });
  const namespaces = createPeerNamespaces({ client, rights, guards, policies, clock });
  const { onGuarded } = deps;
  const parts = { facts, namespaces, guards };
  const rounds: GuardRounds = createGuardRounds({ client, roster, policies, ...parts, onGuarded, clock, log });
  return {
    claim: namespaces.claim,
    doubt: namespaces.doubt,
    oldestPendingMs: () => rounds.oldestPendingMs(),
    async close() {
      await rounds.close();
      await guards.close();
      await facts.close();
    },
  };
}
