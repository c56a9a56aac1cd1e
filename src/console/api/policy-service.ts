/** `PolicyService`: what peers may do here, and which PeerPolicy says so. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Policy, PolicySchema, type PolicyService } from "../../gen/fairlead/console/v1/policy_service_pb.ts";
import type { PeerPolicy } from "../../kube/resources.ts";
import { noSuchPeer } from "../../peering/roster.ts";
import { toMeta } from "./object.ts";
import { type SummarisedPolicy, summarise } from "./policy-summary.ts";

export interface PolicyServiceDeps {
  /** All PeerPolicies of this cluster. */
  policies(): readonly PeerPolicy[];
  /** A peer as the operator sees it; undefined when there is none of that name. */
  peer(name: string): ExplainedPeer | undefined;
  /** What counts for a peer of this name with these labels, whether there is one or not. */
  effective(peer: Pick<ExplainedPeer, "name" | "labels">): ExplainedPolicy;
}

export interface ExplainedPeer {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Those that count now. */
  readonly grants: readonly string[];
  /** By grant, in milliseconds since 1970; one that is not in it counts until it is withdrawn. */
  readonly grantsUntil?: Readonly<Record<string, number>> | undefined;
}

export interface ExplainedPolicy extends SummarisedPolicy {
  /** Every field, the JSON text of what counts, which policy says so, and what less specific ones say. */
  readonly values: readonly {
    readonly path: string;
    readonly value: string;
    readonly policy: string;
    readonly overruled: readonly { readonly policy: string; readonly value: string }[];
  }[];
}

export function createPolicyService(deps: PolicyServiceDeps): ServiceImpl<typeof PolicyService> {
  return {
    listPolicies() {
      const byName = (a: Policy, b: Policy): number => (a.metadata?.name ?? "").localeCompare(b.metadata?.name ?? "");
      return { policies: deps.policies().map(toPolicy).sort(byName) };
    },

    explainPolicy({ peer: name, assumed }) {
      const peer = assumed ? { name, ...assumed, grantsUntil: {} } : deps.peer(name);
      if (!peer) throw noSuchPeer(name);
      const policy = deps.effective(peer);
      return {
        peer: name,
        labels: { ...peer.labels },
        grants: peer.grants.map((grant) => ({ name: grant, until: timeOf(peer.grantsUntil?.[grant]) })),
        policies: [...policy.policies],
        values: policy.values.map((value) => ({ ...value, overruled: value.overruled.map((one) => ({ ...one })) })),
        problems: [...policy.problems],
        summary: summarise(peer, policy),
      };
    },
  };
}

function toPolicy({ metadata, spec, status }: PeerPolicy): Policy {
  return create(PolicySchema, { metadata: toMeta(metadata), spec, ...(status && { status }) });
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? "" : new Date(ms).toISOString();
}
