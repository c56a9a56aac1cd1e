/** Which of the rights that the chart gives the agent were used, told by the audit logs of the API servers. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Cluster } from "./clusters.ts";
import { releaseNamespace } from "./installed.ts";

interface Entry {
  verb: string;
  user: { username: string };
  objectRef?: { apiGroup?: string; resource?: string; subresource?: string; namespace?: string };
  responseStatus?: { code?: number };
  requestReceivedTimestamp: string;
}
interface Role {
  rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

/** As in "apps/deployments patch", of one namespace if given. Undefined where AUDIT_LOG_A and AUDIT_LOG_B do not say where the logs are. */
export async function usedRights(since: Date, namespace?: string): Promise<Set<string> | undefined> {
  const files = [process.env.AUDIT_LOG_A, process.env.AUDIT_LOG_B];
  const agent = `system:serviceaccount:${releaseNamespace}:fairlead`;
  const used = new Set<string>();
  for (const file of files) {
    if (!file) return undefined;
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (!line.includes(agent)) continue;
      const { verb, user, objectRef, responseStatus, requestReceivedTimestamp }: Entry = JSON.parse(line);
      const code = responseStatus?.code ?? 0;
      if (user.username !== agent || new Date(requestReceivedTimestamp) < since || code === 403) continue;
      if (namespace !== undefined && objectRef?.namespace !== namespace) continue;
      const { apiGroup = "", resource = "", subresource } = objectRef ?? {};
      const what = `${apiGroup}/${resource}${subresource ? `/${subresource}` : ""}`;
      used.add(`${what} ${verb}`);
      // An apply is a patch, and asks for the right to create when the object is not there.
      if (verb === "patch" && code === 201) used.add(`${what} create`);
    }
  }
  // The audit log does not say so: no RoleBinding to a role can be made without it.
  if (used.has("rbac.authorization.k8s.io/rolebindings create"))
    used.add("rbac.authorization.k8s.io/clusterroles bind");
  // Up to Kubernetes 1.34 a shell over a WebSocket is a get alone.
  if (used.has("/pods/exec get")) used.add("/pods/exec create");
  return used;
}

/** All that the chart's roles give, in the same form. */
export function givenRights(cluster: Cluster): Promise<string[]> {
  return rightsOf(cluster, [
    ["clusterrole", "fairlead-agent"],
    ["clusterrole", "fairlead-tenant"],
    ["role", "fairlead-agent", "-n", releaseNamespace],
    ["role", "fairlead-api-server", "-n", "default"],
  ]);
}

/** All that these roles give; each is as kubectl is asked for it. */
export async function rightsOf(cluster: Cluster, roles: readonly (readonly string[])[]): Promise<string[]> {
  const given = new Set<string>();
  for (const role of roles) {
    for (const { apiGroups, resources, verbs } of (await cluster.get<Role>(role)).rules) {
      for (const group of apiGroups)
        for (const resource of resources) for (const verb of verbs) given.add(`${group}/${resource} ${verb}`);
    }
  }
  return [...given].sort();
}
