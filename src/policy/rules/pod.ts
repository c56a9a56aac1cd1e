/** Rules about what one pod says and asks for. */
import { formatQuantity } from "../quantity.ts";
import { podResources } from "../resource-name.ts";
import type { Finding, Question } from "./question.ts";

export function isPodStated({ demand: { stated }, context: { policy } }: Question): readonly Finding[] {
  const missing = (part: "requests" | "limits", names: readonly string[]): Finding[] =>
    names
      .filter((name) => !stated[part].has(name))
      .map((name) => ({
        rule: `${part}/required`,
        field: `resources.${part}[${name}]`,
        message: `each container must say its ${part === "requests" ? "request" : "limit"} of ${name} here, and this one says none`,
      }));
  return [...missing("requests", policy.pod.requireRequests), ...missing("limits", policy.pod.requireLimits)];
}

/** Devices and huge pages, of which there are few, are for whom a quota names them. */
export function areResourcesAllowed({ demand: { pod }, context: { policy } }: Question): readonly Finding[] {
  return [...pod.requests.keys()].flatMap((name) => {
    const counted = `requests.${name}`;
    if (podResources.includes(name) || policy.quota.has(counted) || policy.total.has(counted)) return [];
    const field = `resources.${pod.limits.has(name) ? "limits" : "requests"}[${name}]`;
    const message = `${name} may not be asked for here; the operator of this cluster can allow it in a PeerPolicy, as ${counted} in workloads.quota`;
    return [{ rule: "resources/not-allowed", field, message }];
  });
}

/** The cluster would refuse each pod of such a container, also where it is the cluster that gave it the limit. */
export function doLimitsCoverRequests({ demand: { pod, stated } }: Question): readonly Finding[] {
  return [...pod.requests].flatMap(([name, request]) => {
    const limit = pod.limits.get(name);
    if (limit === undefined || request <= limit) return [];
    const [asked, allowed] = [formatQuantity(request, name), formatQuantity(limit, name)];
    const whose = stated.limits.has(name)
      ? `, which is more than its limit of ${allowed}`
      : ` and says no limit, and the limit of such a container is ${allowed} here; say a limit`;
    const message = `asks for ${asked} of ${name}${whose}`;
    return [{ rule: "limits/below-request", field: `resources.requests[${name}]`, message, asked, allowed }];
  });
}

export function doesPodFit({ demand: { pod }, context: { policy } }: Question): readonly Finding[] {
  return [...policy.pod.max].flatMap(([name, most]) => {
    const part = (pod.limits.get(name) ?? 0n) > most ? "limits" : "requests";
    const quantity = pod[part].get(name) ?? 0n;
    if (quantity <= most) return [];
    const [asked, allowed] = [formatQuantity(quantity, name), formatQuantity(most, name)];
    return [
      {
        rule: "pod/max",
        field: `resources.${part}[${name}]`,
        message: `one pod may ask for at most ${allowed} of ${name} here, and this one asks for ${asked}`,
        asked,
        allowed,
      },
    ];
  });
}
