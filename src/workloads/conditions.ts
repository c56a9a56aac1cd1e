/** Conditions by Kubernetes' conventions. Pure. */
import { create } from "@bufbuild/protobuf";
import { type Condition, ConditionSchema } from "../gen/fairlead/resources/v1alpha1/condition_pb.ts";
import { timeText } from "../kube/time.ts";

export interface Finding {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** One CamelCase word. */
  readonly reason: string;
  readonly message: string;
}

/**
 * The conditions that these findings make, in their order. `lastTransitionTime` stays where the status of a type did not
 * change, and conditions of types that were not found are dropped.
 */
export function conditionsFrom(
  findings: readonly Finding[],
  before: readonly Condition[],
  o: { generation: number; now: number },
): Condition[] {
  return findings.map((finding) => {
    const known = before.find(({ type }) => type === finding.type);
    const changed = known?.status !== finding.status || !known.lastTransitionTime;
    return create(ConditionSchema, {
      ...finding,
      observedGeneration: o.generation,
      lastTransitionTime: changed ? timeText(o.now) : (known.lastTransitionTime ?? timeText(o.now)),
    });
  });
}
