/** `PolicyService`: what peers may do here, and which PeerPolicy says so. */
import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Policy, PolicySchema, type PolicyService } from "../../gen/fairlead/console/v1/policy_service_pb.ts";
import type { PeerPolicySpec } from "../../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import type { PeerPolicy } from "../../kube/resources.ts";
import { milliTimeText } from "../../kube/time.ts";
import { noSuchPeer } from "../../peering/roster.ts";
import { foreseeVerdict, type PolicyEffect } from "../../policy/foresee.ts";
import { sentence } from "../../workloads/host/verdict-words.ts";
import type { Listing } from "./listing.ts";
import { policyList } from "./lists.ts";
import { toMeta } from "./object.ts";
import type { PolicyChanges } from "./policy-changes.ts";
import { type SummarisedPolicy, summarise } from "./policy-summary.ts";
import { requiredSpec } from "./required-parts.ts";
import { versionOf } from "./seen-changes.ts";

export interface PolicyServiceDeps {
  readonly changes: PolicyChanges;
  /** Whether nodes here can pull what peers bring along. */
  hasImageDoor(): boolean;
  /** The time, in milliseconds since 1970. */
  now(): number;
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

export function createPolicyService(deps: PolicyServiceDeps, listing: Listing): ServiceImpl<typeof PolicyService> {
  return {
    listPolicies(request) {
      const { items, ...page } = listing(policyList, deps.policies(), request);
      return { ...page, policies: items.map(toPolicy) };
    },

    async getPolicy({ name }, { signal }) {
      return { policy: toPolicy(await deps.changes.get(name, signal)) };
    },

    async applyPolicy({ spec, ...draft }, { signal }) {
      const wanted = { ...draft, spec: requiredSpec(spec) };
      const { policy, changed, effects } = await deps.changes.apply(wanted, signal);
      return { policy: toPolicy(policy), changed, effects: effects.map(toEffect) };
    },

    async deletePolicy(request, { signal }) {
      return { effects: (await deps.changes.delete(request, signal)).map(toEffect) };
    },

    tryPolicy({ peer: name, assumed, spec, draft }) {
      const peer = assumed ? { name, ...assumed } : deps.peer(name);
      if (!peer) throw noSuchPeer(name);
      const policies = draft?.spec ? withDraft(deps.policies(), draft.name, draft.spec) : deps.policies();
      const about = { now: deps.now(), hasImageDoor: deps.hasImageDoor() };
      const { decision, findings, policies: selecting } = foreseeVerdict(requiredSpec(spec), peer, policies, about);
      return {
        verdict: verdicts[decision],
        message: findings.length > 0 ? sentence(findings) : "",
        findings: findings.map((finding) => ({ ...finding })),
        policies: [...selecting],
      };
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

export function toPolicy({ metadata, spec, status }: PeerPolicy): Policy {
  const version = versionOf({ metadata });
  return create(PolicySchema, { metadata: toMeta(metadata), spec, ...(status && { status }), version });
}

const verdicts = { admit: "Admitted", hold: "Held", deny: "Denied" } as const;

/** It takes the place of the one of its name, with its age: of two that are as close the older counts. */
function withDraft(policies: readonly PeerPolicy[], name: string, spec: PeerPolicySpec): PeerPolicy[] {
  const before = policies.find(({ metadata }) => metadata.name === name);
  const others = policies.filter((policy) => policy !== before);
  const metadata = before?.metadata ?? { name };
  return [...others, { apiVersion: "fairlead.dev/v1alpha1", kind: "PeerPolicy", metadata, spec }];
}

function toEffect({ peer, values, problems }: PolicyEffect) {
  return { peer, values: values.map((value) => ({ ...value })), problems: [...problems] };
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? "" : milliTimeText(ms);
}
