/** An agent in its cluster, or beside one: the cluster keeps its objects, and runs what peers ask for. */
import { featuresOf } from "./agent-images.ts";
import type { AgentPlace, PlaceDeps } from "./agent-place.ts";
import { connectKube, type KubeConnection } from "./kube/connect.ts";
import { checkDefinitions } from "./kube/definitions.ts";
import { isJsonObject } from "./kube/object.ts";
import { createOwnFacts } from "./kube/own-facts.ts";
import { namespaces } from "./kube/resources.ts";
import { toPeerName } from "./peering/peer-name.ts";

export async function openClusterPlace({ config, clock, log }: PlaceDeps, signal: AbortSignal): Promise<AgentPlace> {
  const kube = await connectKube({ kubeconfig: config.kube.kubeconfig, context: config.kube.context, clock });
  try {
    const namespace = config.kube.namespace ?? (kube.inCluster ? kube.namespace : "fairlead-system");
    await checkDefinitions(kube.requests, signal);
    const kubernetesVersion = await readKubernetesVersion(kube, signal);
    if (!kube.inCluster) await ensureNamespace(kube, namespace, signal);
    const { requests, client, pods, dialService, dialServiceDatagrams, inCluster, server, gateway, clusterCa } = kube;
    const about = { kubernetes: kubernetesVersion, features: featuresOf(config) };
    const ownFacts = createOwnFacts({ requests, ...about, clock, log });
    return {
      ...{
        client,
        pods,
        dialService,
        dialServiceDatagrams,
        inCluster,
        server,
        gateway,
        clusterCa,
        requests,
        kubernetesVersion,
      },
      namespace,
      podNamespace: kube.namespace,
      nameOf: (fingerprint) => (inCluster ? `cluster-${fingerprint.slice(0, 6)}` : toPeerName(kube.context)),
      facts: () => ownFacts.get(),
      keeper: "api-server",
      // Whoever watches the cluster knows when it does not answer.
      trouble: () => undefined,
      onConsole: async () => undefined,
      reload: async () => undefined,
      close() {
        ownFacts.close();
        kube.close();
      },
    };
  } catch (error) {
    kube.close();
    throw error;
  }
}

/** Beside a cluster nobody has made the agent's namespace; in one, the chart has. */
async function ensureNamespace(kube: KubeConnection, name: string, signal: AbortSignal): Promise<void> {
  if (await kube.client.get(namespaces, { name }, signal)) return;
  await kube.client.create(namespaces, { metadata: { name } }, signal);
}

async function readKubernetesVersion(kube: KubeConnection, signal: AbortSignal): Promise<string> {
  const answer = await kube.requests.json({ method: "GET", path: "/version" }, signal);
  return isJsonObject(answer) && typeof answer.gitVersion === "string" ? answer.gitVersion : "unknown";
}
