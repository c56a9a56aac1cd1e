/** What a name of a quota counts. Pure. */
import type { ContainerDemand, Demand } from "../demand.ts";
import { podResources } from "../resource-name.ts";

/** Of `requests.cpu` the part and the resource; `pods` and what claims are counted by have no part. */
export function partsOf(name: string): { part: "requests" | "limits" | undefined; resource: string } {
  if (name === "requests.storage") return { part: undefined, resource: name };
  if (name.startsWith("requests.")) return { part: "requests", resource: name.slice("requests.".length) };
  if (name.startsWith("limits.")) return { part: "limits", resource: name.slice("limits.".length) };
  return { part: undefined, resource: name };
}

/**
 * The first container that does not say what is counted. As in a ResourceQuota: where it counts what a pod has of its node, each
 * container must say it, those that run before the others too, or it could have any amount.
 */
export function silentAbout(demand: Demand, name: string): ContainerDemand | undefined {
  const { part, resource } = partsOf(name);
  if (part === undefined || !podResources.includes(resource)) return undefined;
  return demand.containers.find((container) => !container[part].has(resource));
}

/** There may be any amount of it, since Jobs that each ask for some may overlap. */
export function isWithoutEnd(demand: Demand, name: string): boolean {
  const isOfClaims = name === "persistentvolumeclaims" || name === "requests.storage";
  return demand.isEndless && !isOfClaims && (demand.total.get(name) ?? 0n) > 0n;
}
