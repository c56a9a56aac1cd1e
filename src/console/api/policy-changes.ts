/** Changes of PeerPolicies by people at this agent: exactly of what they saw, and with what comes of it for whom. */
import { Code, ConnectError } from "@connectrpc/connect";
import { ApplyPolicyRequestSchema } from "../../gen/fairlead/console/v1/policy_service_pb.ts";
import { type PeerPolicySpec, PeerPolicySpecSchema } from "../../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import { type PeerPolicy, peerPolicies } from "../../kube/resources.ts";
import type { PolicyPeer } from "../../policy/effective.ts";
import { foreseeEffects, type PolicyEffect } from "../../policy/foresee.ts";
import { statePolicy } from "../../policy/stated.ts";
import { brokenRule } from "./broken-rule.ts";
import { createSeenChanges, type SeenChangesDeps, type SeenDraft, writeHere } from "./seen-changes.ts";

export interface PolicyChangesDeps {
  readonly kube: SeenChangesDeps<typeof PeerPolicySpecSchema, unknown>["kube"];
  /** The agent's own, where its policies are. */
  readonly namespace: string;
  /** Undefined where policies are written otherwise: how, in a sentence. */
  readonly writtenElsewhere: string | undefined;
  policies(): readonly PeerPolicy[];
  peers(): readonly PolicyPeer[];
}

export interface DraftedPolicy extends SeenDraft<PeerPolicySpec> {
  readonly name: string;
  /** Of `versionOf`; empty for one that is to be made. */
  readonly version: string;
}

/** It throws ConnectErrors for what a person can mend, and KubeErrors for the rest. */
export interface PolicyChanges {
  get(name: string, signal: AbortSignal): Promise<PeerPolicy>;
  apply(
    draft: DraftedPolicy,
    signal: AbortSignal,
  ): Promise<{ policy: PeerPolicy; changed: boolean; effects: PolicyEffect[] }>;
  delete(
    o: { readonly name: string; readonly version: string; readonly dryRun: boolean },
    signal: AbortSignal,
  ): Promise<PolicyEffect[]>;
}

/** Peers of which an answer says what changes for them. */
const mostEffects = 200;

export function createPolicyChanges(deps: PolicyChangesDeps): PolicyChanges {
  const { kube, namespace } = deps;
  const changes = createSeenChanges({
    kube,
    kind: peerPolicies,
    spec: PeerPolicySpecSchema,
    missing: ({ name }) => new ConnectError(`there is no PeerPolicy ${name}; see: fairlead policy list`, Code.NotFound),
  });

  function here<T>(write: () => Promise<T>): Promise<T> {
    const refused =
      "this agent may not write PeerPolicies: write them with kubectl, or let it by rbac.policies=true of its chart";
    return writeHere({ elsewhere: deps.writtenElsewhere, refused }, write);
  }

  /** What changes when `policy` takes the place of the one of its name in `before`; undefined: when that goes. */
  function effects(before: readonly PeerPolicy[], name: string, policy: PeerPolicy | undefined): PolicyEffect[] {
    const others = before.filter(({ metadata }) => metadata.name !== name);
    return foreseeEffects(before, policy ? [...others, policy] : others, deps.peers()).slice(0, mostEffects);
  }

  return {
    get: (name, signal) => changes.get({ namespace, name }, signal),

    apply: (draft, signal) =>
      here(async () => {
        const { name, spec, version } = draft;
        const ref = { namespace, name };
        const { apiVersion, kind } = { apiVersion: "fairlead.dev/v1alpha1", kind: "PeerPolicy" };
        const { problems } = statePolicy({ apiVersion, kind, metadata: ref, spec });
        // Half a rule would be worse than none: such a policy shuts out all peers that it is about.
        if (problems.length > 0) {
          const message = `${name} cannot be understood: ${problems.join("; ")}`;
          throw brokenRule(ApplyPolicyRequestSchema, { path: "spec", rule: "policy.understood", message });
        }
        // News of the write may be here before its answer is.
        const before = deps.policies();
        const { now: policy, changed } =
          version === ""
            ? { now: await changes.make(ref, draft, signal), changed: true }
            : await changes.change(ref, draft, signal);
        return { policy, changed, effects: changed ? effects(before, name, policy) : [] };
      }),

    delete: ({ name, ...how }, signal) =>
      here(async () => {
        const coming = effects(deps.policies(), name, undefined);
        await changes.delete({ namespace, name }, how, signal);
        return coming;
      }),
  };
}
