/** What a PeerPolicy's status says. Pure. */
import { create } from "@bufbuild/protobuf";
import { ConditionSchema } from "../gen/fairlead/resources/v1alpha1/condition_pb.ts";
import { type PeerPolicyStatus, PeerPolicyStatusSchema } from "../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import type { PeerPolicy } from "../kube/resources.ts";
import { timeText } from "../kube/time.ts";

/** `peers` are those that it selects; `problems` why it cannot be understood. `now` is in milliseconds since 1970. */
export function policyStatus(
  policy: PeerPolicy,
  found: { readonly peers: readonly string[]; readonly problems: readonly string[] },
  now: number,
): PeerPolicyStatus {
  const { generation } = policy.metadata;
  const isValid = found.problems.length === 0;
  const status = isValid ? "True" : "False";
  const known = policy.status?.conditions.find(({ type }) => type === "Valid");
  const since = known?.status === status ? known.lastTransitionTime : undefined;
  const valid = create(ConditionSchema, {
    type: "Valid",
    status,
    reason: isValid ? "Understood" : "NotUnderstood",
    message: isValid
      ? ""
      : `Nothing of the peers that it selects runs or is let through: ${found.problems.join("; ")}.`,
    lastTransitionTime: since ?? timeText(now),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  });
  return create(PeerPolicyStatusSchema, {
    peers: [...found.peers].sort(),
    conditions: [valid],
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  });
}
