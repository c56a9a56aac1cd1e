/** What a peer may do with the pods of its own apps, from its grants and the policy. */
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import { permitPods } from "../policy/reach.ts";
import type { LogsServiceDeps } from "./logs-service.ts";

/** Reads what counts at each question. `policyOf` answers undefined for who is no peer. */
export function createPodRules(deps: {
  policyOf(fingerprint: string): EffectivePolicy | undefined;
}): Pick<LogsServiceDeps, "permit"> {
  return {
    permit(reader) {
      const policy = deps.policyOf(reader.fingerprint);
      if (!policy) return { allowed: false, rule: "pairing", message: "only a paired peer may read logs" };
      return permitPods(reader, "logs", policy);
    },
  };
}
