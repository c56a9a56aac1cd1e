/** Rules about what one pod says and asks for. */
import type { ContainerDemand } from "../demand.ts";
import { formatQuantity } from "../quantity.ts";
import { podResources } from "../resource-name.ts";
import type { Finding, Question } from "./question.ts";

/** An amount that is none would bind nothing; the cluster takes none either. */
export function areAmountsRead({ demand: { containers } }: Question): readonly Finding[] {
  return containers.flatMap(({ unread }) =>
    unread.map((field) => ({ rule: "resources/invalid", field, message: "is no quantity, such as 500m, 2 or 1Gi" })),
  );
}

export function isPodStated({ demand: { containers }, context: { policy } }: Question): readonly Finding[] {
  const missing = ({ path, stated }: ContainerDemand, part: "requests" | "limits", names: readonly string[]) =>
    names
      .filter((name) => !stated[part].has(name))
      .map((name) => ({
        rule: `${part}/required`,
        field: `${path}resources.${part}[${name}]`,
        message: `each container must say its ${part === "requests" ? "request" : "limit"} of ${name} here, and this one says none`,
      }));
  return containers.flatMap((container) => [
    ...missing(container, "requests", policy.pod.requireRequests),
    ...missing(container, "limits", policy.pod.requireLimits),
  ]);
}

/** Devices and huge pages, of which there are few, are for whom a quota names them. */
export function areResourcesAllowed({ demand: { containers }, context: { policy } }: Question): readonly Finding[] {
  return containers.flatMap(({ path, requests, limits }) =>
    [...requests.keys()].flatMap((name) => {
      const counted = `requests.${name}`;
      if (podResources.includes(name) || policy.quota.has(counted) || policy.total.has(counted)) return [];
      const field = `${path}resources.${limits.has(name) ? "limits" : "requests"}[${name}]`;
      const message = `${name} may not be asked for here; the operator of this cluster can allow it in a PeerPolicy, as ${counted} in workloads.quota`;
      return [{ rule: "resources/not-allowed", field, message }];
    }),
  );
}

/** The cluster would refuse each pod of such a container, also where it is the cluster that gave it the limit. */
export function doLimitsCoverRequests({ demand: { containers } }: Question): readonly Finding[] {
  return containers.flatMap(({ path, requests, limits, stated }) =>
    [...requests].flatMap(([name, request]) => {
      const limit = limits.get(name);
      if (limit === undefined || request <= limit) return [];
      const [asked, allowed] = [formatQuantity(request, name), formatQuantity(limit, name)];
      const whose = stated.limits.has(name)
        ? `, which is more than its limit of ${allowed}`
        : ` and says no limit, and the limit of such a container is ${allowed} here; say a limit`;
      const message = `asks for ${asked} of ${name}${whose}`;
      return [{ rule: "limits/below-request", field: `${path}resources.requests[${name}]`, message, asked, allowed }];
    }),
  );
}

export function doesPodFit({ demand: { pod, containers }, context: { policy } }: Question): readonly Finding[] {
  return [...policy.pod.max].flatMap(([name, most]) => {
    const part = (pod.limits.get(name) ?? 0n) > most ? "limits" : "requests";
    const quantity = pod[part].get(name) ?? 0n;
    if (quantity <= most) return [];
    const [asked, allowed] = [formatQuantity(quantity, name), formatQuantity(most, name)];
    const silent = containers.find(({ stated }) => !stated[part].has(name));
    const filled = silent?.[part].get(name);
    const why =
      containers.length > 1 && silent && filled !== undefined
        ? `; of its containers one that says nothing gets ${formatQuantity(filled, name)}: say ${silent.path}resources.${part}[${name}]`
        : "";
    return [
      {
        rule: "pod/max",
        field:
          containers.length > 1
            ? silent
              ? `${silent.path}resources.${part}[${name}]`
              : ""
            : `resources.${part}[${name}]`,
        message: `one pod may ask for at most ${allowed} of ${name} here, and this one asks for ${asked}${why}`,
        asked,
        allowed,
      },
    ];
  });
}
