/** What a peer may do with the pods of its own apps, from its grants and the policy. */
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { permitPods } from "../policy/reach.ts";
import type { PodUsesDeps } from "./uses.ts";

/** Reads what counts at each question. `policyOf` answers undefined for who is no peer. */
export function createPodRules(deps: {
  policyOf(fingerprint: string): EffectivePolicy | undefined;
}): Pick<PodUsesDeps, "permit"> {
  return {
    permit(user, use) {
      const policy = deps.policyOf(user.fingerprint);
      if (!policy) return { allowed: false, rule: "pairing", message: "only a paired peer may use pods" };
      return permitPods(user, use, policy);
    },
  };
}
