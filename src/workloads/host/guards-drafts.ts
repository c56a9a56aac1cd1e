/** What guards a peer's namespace, as its policy wants it in this cluster. Pure. */
import type { Draft, ObjectMeta } from "../../kube/object.ts";
import type { LimitRange, NetworkPolicy, ResourceQuota } from "../../kube/resources.ts";
import type { EffectivePolicy } from "../../policy/effective-policy.ts";
import { enforcementName, enforcementOf } from "../../policy/enforcement.ts";
import type { ClusterFacts } from "./guards-facts.ts";
import { labels } from "./names.ts";

export interface GuardDrafts {
  /** What pods and containers that say nothing get, and the most that they may ask for; none when the policy bounds nothing. */
  readonly limits: Draft<LimitRange> | undefined;
  readonly quota: Draft<ResourceQuota>;
  /** Of all pods of the namespace. Each app has one more, that lets its own pods reach one another. */
  readonly network: Draft<NetworkPolicy>;
}

/** The name of each of them. No Workload has it: theirs end in a hash. */
export const guardName = enforcementName;

export function guardDrafts(
  { namespace, peer }: { namespace: string; peer: string },
  policy: EffectivePolicy,
  facts: ClusterFacts,
): GuardDrafts {
  const { agent, apiServer, dns } = facts;
  // Blocks that may hold the API server are not opened while nobody knows where it is.
  const careful = apiServer === undefined ? { ...policy, egress: [] } : policy;
  const { quota, limits, network } = enforcementOf(careful, { namespace, agent, apiServer: apiServer ?? [], dns });
  const metadata: ObjectMeta = {
    name: guardName,
    namespace,
    labels: { [labels.managedBy]: "fairlead", [labels.peer]: peer },
  };
  return {
    limits: limits && { ...limits, metadata },
    quota: { ...quota, metadata },
    network: { ...network, metadata },
  };
}
