/** Whether anything of a peer may run here, in a sentence, and what to write when it may not. Pure. */

/** What counts for one peer, as far as it can be told in a sentence. */
export interface SummarisedPolicy {
  readonly accept: boolean;
  readonly approval: "Never" | "NewImage" | "Always";
  /** The policies that select the peer. */
  readonly policies: readonly string[];
  /** Why policies that select it cannot be understood. */
  readonly problems: readonly string[];
  /** Beyond which amounts a person is asked. */
  readonly approvalAbove: { readonly size: number };
  /** Where each value came from; empty `policy` means that it is the default. */
  readonly values: readonly { readonly path: string; readonly policy: string }[];
}

const approvals = {
  Never: "",
  Above: "; a person here must approve what asks for more than workloads.approvalAbove",
  NewImage: "; a person here must approve each image that none of its apps runs yet",
  Always: "; a person here must approve each app and each change of one",
} as const;

/** `grants` are those that count now. */
export function summarise(
  { name, grants }: { readonly name: string; readonly grants: readonly string[] },
  policy: SummarisedPolicy,
): string {
  const [problem] = policy.problems;
  if (problem !== undefined) {
    return `Nothing of ${name} may run here or be reached: a policy about it cannot be understood, and half a rule would be worse than none. ${problem}`;
  }
  const lacks: string[] = [];
  if (!grants.includes("apps")) lacks.push(`it has no grant "apps" (fairlead peer grant ${name} apps --add)`);
  if (!policy.accept) lacks.push(whyNotAccepted(name, policy));
  if (lacks.length > 0) return `Nothing of ${name} may run here: ${lacks.join(", and ")}.`;
  const isAskedForMuch = policy.approval === "Never" && policy.approvalAbove.size > 0;
  return `${name} may run apps here${approvals[isAskedForMuch ? "Above" : policy.approval]}.`;
}

function whyNotAccepted(name: string, { policies, values }: SummarisedPolicy): string {
  if (policies.length === 0) {
    return `no PeerPolicy is about it (one with \`workloads: { accept: true }\` that selects ${name} would let it)`;
  }
  const source = values.find(({ path }) => path === "workloads.accept")?.policy ?? "";
  if (source === "") {
    return `no PeerPolicy about it says \`workloads: { accept: true }\` (${policies.join(", ")} could)`;
  }
  return `PeerPolicy ${source} says \`workloads: { accept: false }\``;
}
