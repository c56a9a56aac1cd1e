/**
 * Keeps what guards the namespaces of peers equal to their policies, also where nothing of the peer moves: after the agent's
 * start, when a policy or the cluster changes, and when somebody has a hand in it.
 */
import type { Clock } from "../../base/clock.ts";
import { createKeyedWorker } from "../../base/keyed-worker.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { createReflector } from "../../kube/reflector.ts";
import { namespaces as kind } from "../../kube/resources.ts";
import type { Roster } from "../../peering/roster.ts";
import { createLatest } from "../latest.ts";
import type { Guards } from "./guards.ts";
import type { FactFinder } from "./guards-facts.ts";
import { fingerprintLabel, labels, peerNamespace } from "./names.ts";
import type { PeerNamespaces, Tenant } from "./namespace.ts";

export interface GuardRounds {
  /** Somebody changed what guards a namespace. */
  drifted(namespace: string): void;
  /** Age of the oldest unfinished work, in milliseconds; for health. */
  oldestPendingMs(): number;
  close(): Promise<void>;
}

export interface GuardRoundsDeps {
  client: Pick<KubeClient, "list" | "watch">;
  roster: Pick<Roster, "subscribe">;
  policies: { subscribe(fn: (fingerprint: string) => void): () => void };
  facts: Pick<FactFinder, "subscribe">;
  namespaces: PeerNamespaces;
  guards: Pick<Guards, "leave">;
  /** A peer's namespace that was not guarded as it should be is so again. */
  onGuarded(fingerprint: string): void;
  clock: Clock;
  log: Log;
}

/** A refusal is asked again now and then, in milliseconds, since nobody tells when a cluster's rules change. */
const retryRefusedMs = 60_000;

export function createGuardRounds(deps: GuardRoundsDeps): GuardRounds {
  const { client, roster, namespaces, guards, clock, log } = deps;
  /** By namespace; bounded by the roster. */
  const tenants = new Map<string, Tenant>();
  const unguarded = new Set<string>();
  const worker = createKeyedWorker({ run, clock, concurrency: 4, onError });
  // Only namespaces with a peer's mark: what others are called is none of the agent's business.
  const found = createLatest(createReflector({ client, kind, labelSelector: labels.fingerprint, clock, log }));

  async function run(namespace: string, signal: AbortSignal): Promise<void | { againMs: number }> {
    const tenant = tenants.get(namespace);
    const { labels: marks, deletionTimestamp } = found.get(namespace)?.metadata ?? {};
    const isTheirs = tenant && marks?.[labels.fingerprint] === fingerprintLabel(tenant.fingerprint);
    // What is to run there has its namespace made again, with all that guards it, when its turn comes.
    if (!isTheirs || deletionTimestamp) {
      unguarded.delete(namespace);
      return guards.leave(namespace);
    }
    const claim = await namespaces.claim(tenant, signal);
    if (claim.ok) {
      if (unguarded.delete(namespace)) deps.onGuarded(tenant.fingerprint);
      return;
    }
    unguarded.add(namespace);
    log.warn(
      { namespace, reason: claim.reason, detail: claim.message },
      "a peer's namespace is not guarded as it should be",
    );
    return { againMs: retryRefusedMs };
  }

  function onError(namespace: string, error: unknown, attempt: number): void {
    log.warn({ namespace, err: error, attempt }, "a peer's namespace could not be guarded; it is tried again");
  }

  const unsubscribe = [
    roster.subscribe(({ name, after }) => {
      const namespace = peerNamespace(name);
      if (after) tenants.set(namespace, { peer: name, fingerprint: after.fingerprint });
      else tenants.delete(namespace);
      worker.add(namespace);
    }),
    found.subscribe((namespace) => {
      const tenant = tenants.get(namespace);
      if (tenant) namespaces.doubt(tenant.peer);
      worker.add(namespace);
    }),
    deps.policies.subscribe((fingerprint) => {
      for (const [namespace, tenant] of tenants) if (tenant.fingerprint === fingerprint) worker.add(namespace);
    }),
    deps.facts.subscribe(() => {
      for (const namespace of tenants.keys()) worker.add(namespace);
    }),
  ];

  return {
    drifted: (namespace) => worker.add(namespace),
    oldestPendingMs: () => worker.oldestPendingMs(),
    async close() {
      for (const end of unsubscribe) end();
      await worker.close();
      await found.close();
    },
  };
}
