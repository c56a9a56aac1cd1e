/** Policies for tests in which something is to run: without one nothing does. */
import type { KubeClient } from "../../src/kube/client.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { peerPolicies } from "../../src/kube/resources.ts";

/** Where an agent looks for policies, unless a test says otherwise. */
export const agentNamespace = "fairlead-system";

/** Lets every peer run whatever it wants, as far as its grants go. */
export function openPolicy(client: Pick<KubeClient, "apply">, signal?: AbortSignal): Promise<void> {
  return writePolicy(client, "open", { workloads: { accept: true } }, signal);
}

/** Makes a PeerPolicy, or replaces all that it says. */
export async function writePolicy(
  client: Pick<KubeClient, "apply">,
  name: string,
  spec: JsonObject,
  signal: AbortSignal = AbortSignal.timeout(60_000),
): Promise<void> {
  const policy = peerPolicies.parse({ metadata: { namespace: agentNamespace, name }, spec });
  await client.apply(peerPolicies, policy, { fieldManager: "operator", force: true }, signal);
}
