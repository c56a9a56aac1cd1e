/** A token of the cluster at an agent that the chart installed: it needs the agent's right to ask whose it is. */
import { valuesAt } from "./helm-values.ts";
import type { InstalledAgent } from "./installed.ts";

const account = "visitor";

/** Values of the chart that let the account of this namespace look. */
export function visitorValues(namespace: string): Record<string, string> {
  const roles = [{ user: `system:serviceaccount:${namespace}:${account}`, role: "viewer" }];
  return valuesAt("console.kubernetes.roles", roles);
}

export async function tokenOpens({ cluster, cli }: InstalledAgent, namespace: string): Promise<void> {
  await cluster.kubectl(["-n", namespace, "create", "serviceaccount", account]);
  const token = await cluster.kubectl(["-n", namespace, "create", "token", account, "--audience", "fairlead.dev"]);
  await cli(["peer", "list", "--token", token.trim()]);
}
