/**
 * What the cluster itself enforces in peers' namespaces: a LimitRange, a ResourceQuota and the NetworkPolicy of all pods,
 * made from the peer's policy before anything runs there, and made again when somebody changed or deleted them.
 *
 * What other people put beside them stays, since it is the operator's cluster. A quota or a LimitRange of theirs narrows; a
 * NetworkPolicy opens what ours keeps shut, for their rules add up, and so the log tells of it.
 */
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/errors.ts";
import type { EffectivePolicy } from "../../policy/effective-policy.ts";
import { guardDrafts } from "./guards-drafts.ts";
import type { FactFinder } from "./guards-facts.ts";
import { openWard, type Ward } from "./guards-ward.ts";

/** A namespace that is its peer's. */
export interface Guarded {
  readonly namespace: string;
  readonly peer: string;
  readonly fingerprint: string;
}

export interface Guards {
  /**
   * Resolves when all is in place as the policy of now wants it; with the reason, as the words of a sentence, when the cluster does not take it. Rejects on
   * trouble that may pass. Makes no request when nothing has changed.
   */
  keep(guarded: Guarded, signal: AbortSignal): Promise<string | undefined>;
  /** The namespace is gone or no peer's any more: it is no longer watched, and nothing of it is changed. */
  leave(namespace: string): Promise<void>;
  close(): Promise<void>;
}

export interface GuardsDeps {
  client: Pick<KubeClient, "list" | "watch" | "apply" | "update" | "delete">;
  policies: GuardPolicies;
  facts: Pick<FactFinder, "read">;
  /** Somebody changed what guards a namespace, and `keep` has to put it back. */
  onDrift(namespace: string): void;
  clock: Clock;
  log: Log;
}

/** What counts for each peer now. */
export interface GuardPolicies {
  /** Undefined when no peer has that fingerprint. */
  of(fingerprint: string): EffectivePolicy | undefined;
  /** Resolves when all policies are known. */
  synced(signal: AbortSignal): Promise<void>;
}

/** What the API server answers when trying again would change nothing. */
const refusals: ReadonlySet<number> = new Set([400, 403, 422]);

export function createGuards(deps: GuardsDeps): Guards {
  const { client, policies, clock, log } = deps;
  const wards = new Map<string, Ward>();
  const closing = new AbortController();

  function wardOf(namespace: string): Ward {
    const known = wards.get(namespace);
    if (known) return known;
    const ward = openWard({ client, namespace, onDrift: () => deps.onDrift(namespace), clock, log });
    wards.set(namespace, ward);
    return ward;
  }

  return {
    async keep(guarded, signal) {
      const { namespace, fingerprint } = guarded;
      await policies.synced(signal);
      const facts = await deps.facts.read(signal);
      closing.signal.throwIfAborted();
      const policy = policies.of(fingerprint);
      if (!policy) return `no peer of this agent owns the namespace ${namespace} now`;
      try {
        await wardOf(namespace).keep(guardDrafts(guarded, policy, facts), signal);
        return undefined;
      } catch (error) {
        if (!(error instanceof KubeError) || !refusals.has(error.status)) throw error;
        log.warn({ namespace, err: error }, "the cluster refuses what guards a peer's namespace");
        const why = error.message.replace(/\.$/, "");
        return `the host's cluster refuses what guards the namespace ${namespace}, so nothing is run in it: ${why}`;
      }
    },
    async leave(namespace) {
      const ward = wards.get(namespace);
      wards.delete(namespace);
      await ward?.close();
    },
    async close() {
      closing.abort(new Error("The agent stops."));
      const open = [...wards.values()];
      wards.clear();
      await Promise.all(open.map((ward) => ward.close()));
    },
  };
}
