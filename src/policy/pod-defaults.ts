/** What a container gets that does not say. Pure; both admission and the LimitRange are made from it, so that they agree. */
import type { PodBounds } from "./effective-policy.ts";
import type { Amounts, Quantity } from "./quantity.ts";

/**
 * As Kubernetes' LimitRanger: a limit that is not said is the default or else the most; a request that is not said is the
 * default or else that limit. Two policies may name a default above the most, which no LimitRange may have: then it is the most.
 */
export function containerDefaults(bounds: Pick<PodBounds, "max" | "defaultRequests" | "defaultLimits">): {
  requests: Amounts;
  limits: Amounts;
} {
  const limits = atMost(new Map([...bounds.max, ...bounds.defaultLimits]), bounds.max);
  const requests = atMost(new Map([...limits, ...bounds.defaultRequests]), limits);
  return { requests, limits };
}

function atMost(amounts: Amounts, most: Amounts): Amounts {
  return new Map([...amounts].map(([name, quantity]) => [name, lesser(quantity, most.get(name))]));
}

function lesser(a: Quantity, b: Quantity | undefined): Quantity {
  return b !== undefined && b < a ? b : a;
}
