/** What an agent does with its cluster before it is anything in it. */
import type { KubeConnection } from "./kube/connect.ts";
import { isJsonObject } from "./kube/object.ts";
import { namespaces } from "./kube/resources.ts";

/** Beside a cluster nobody has made the agent's namespace; in one, the chart has. */
export async function ensureNamespace(kube: KubeConnection, name: string, signal: AbortSignal): Promise<void> {
  if (await kube.client.get(namespaces, { name }, signal)) return;
  await kube.client.create(namespaces, { metadata: { name } }, signal);
}

export async function readKubernetesVersion(kube: KubeConnection, signal: AbortSignal): Promise<string> {
  const answer = await kube.requests.json({ method: "GET", path: "/version" }, signal);
  return isJsonObject(answer) && typeof answer.gitVersion === "string" ? answer.gitVersion : "unknown";
}
