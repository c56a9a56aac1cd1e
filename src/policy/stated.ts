/** What one PeerPolicy says, understood; and what of it cannot be. Pure. */
import { brokenRules } from "../base/proto-rules.ts";
import { PeerPolicySpecSchema } from "../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import type { PeerPolicy } from "../kube/resources.ts";
import type { PolicyPeer } from "./effective-policy.ts";
import { type Reading, readFields, type StatedFields } from "./fields.ts";
import { Problems } from "./problems.ts";

export interface StatedPolicy {
  readonly name: string;
  /** RFC 3339 in UTC, so that texts compare as times do; the last of all when it is missing. */
  readonly createdAt: string;
  /** How closely it names a peer it selects: the names before labels, more labels before fewer, all peers last. */
  readonly closeness: number;
  selects(peer: PolicyPeer): boolean;
  /** Each with its path. Empty when all of it is understood. */
  readonly problems: readonly string[];
  readonly fields: StatedFields;
}

/** Understood once, when it comes; selecting and choosing then cost little. */
export function statePolicy(policy: PeerPolicy, reading: Reading = {}): StatedPolicy {
  const problems = new Problems();
  for (const problem of policy.problems ?? []) problems.addText(problem);
  for (const { field, message } of brokenRules(PeerPolicySpecSchema, policy.spec)) {
    problems.add(field === "" ? "spec" : `spec.${field}`, message);
  }
  const fields = readFields(policy.spec, problems, reading);
  const { names = [], matchLabels = {} } = policy.spec.peers ?? {};
  const wanted = Object.entries(matchLabels);
  // Of a selector that is not understood nobody knows whom it means, so it means everybody; as does a spec that cannot be read
  // at all, for then it is empty.
  const isUnclear = problems.has("spec.peers");
  const closeness = names.length > 0 ? Number.MAX_SAFE_INTEGER : wanted.length;
  return {
    name: policy.metadata.name ?? "",
    createdAt: policy.metadata.creationTimestamp ?? "~",
    closeness,
    selects({ name, labels }) {
      if (isUnclear) return true;
      if (names.length > 0) return names.includes(name);
      return wanted.every(([label, value]) => labels[label] === value);
    },
    problems: problems.list(),
    fields,
  };
}
