/** The names by which a policy bounds what is asked for. Pure. */

/** Gives the one name of what is meant; undefined when it can not be counted. */
export type NameCheck = (name: string) => string | undefined;

/** What a pod has of its node, and what the cluster bounds for each pod. */
export const podResources: readonly string[] = ["cpu", "memory", "ephemeral-storage"];

const counted: ReadonlySet<string> = new Set(["pods", "persistentvolumeclaims", "requests.storage"]);

export function podResource(name: string): string | undefined {
  return podResources.includes(name) ? name : undefined;
}

/** As in a ResourceQuota, where `cpu` is another name of `requests.cpu`. Devices, such as `requests.nvidia.com/gpu`, count too. */
export function quotaName(name: string): string | undefined {
  if (podResources.includes(name)) return `requests.${name}`;
  if (counted.has(name)) return name;
  const [, part, resource = ""] = /^(requests|limits)\.(.+)$/.exec(name) ?? [];
  if (podResources.includes(resource)) return name;
  return part === "requests" && deviceName.test(resource) ? name : undefined;
}

const deviceName = /^(?:[a-z0-9][-a-z0-9.]{0,200}\/[A-Za-z0-9][-\w.]{0,62}|hugepages-[0-9]+[KMG]i)$/;
