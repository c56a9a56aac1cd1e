/** An agent in no cluster: a directory keeps its objects, and it offers what its configuration names. */
import { hostname } from "node:os";
import type { AgentPlace, PlaceDeps } from "./agent-place.ts";
import type { Config } from "./config.ts";
import { adminTokenSecret } from "./console/auth/admin-token.ts";
import { consoleName } from "./console/tls/served-certificate.ts";
import { KubeError } from "./kube/errors.ts";
import { secrets } from "./kube/resources.ts";
import { decodeData } from "./kube/secret-data.ts";
import { toPeerName } from "./peering/peer-name.ts";
import { consoleFile } from "./standalone/console-file.ts";
import { declarePolicies, readPolicies } from "./standalone/declared-policies.ts";
import { openStateDirectory } from "./standalone/directory.ts";
import { standaloneFacts } from "./standalone/facts.ts";
import { targetPolicies } from "./standalone/targets.ts";

/** Objects have one, and nobody sees it. */
const namespace = "fairlead";

export async function openStandalonePlace({ config, clock, log }: PlaceDeps, signal: AbortSignal): Promise<AgentPlace> {
  if ((config.kube.kubeconfig ?? config.kube.context) !== undefined) {
    throw new Error(
      "standalone.enabled and a kubeconfig or context do not go together: the agent stands in a cluster or in none.",
    );
  }
  const directory = await openStateDirectory(config.standalone.directory, { clock, log });
  const { client } = directory;
  const declare = async (config: Config, during: AbortSignal): Promise<void> => {
    const file = config.standalone.policies;
    const written = file === undefined ? [] : await readPolicies(file);
    await declarePolicies(client, namespace, [...targetPolicies(config.standalone.targets), ...written], during);
  };
  try {
    await declare(config, signal);
  } catch (error) {
    await directory.close();
    throw error;
  }
  return {
    client,
    namespace,
    podNamespace: namespace,
    inCluster: false,
    server: "",
    gateway: undefined,
    requests: undefined,
    clusterCa: async () => undefined,
    kubernetesVersion: "",
    pods: {
      logs: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(noCluster()) }) }),
      portForward: () => Promise.reject(noCluster()),
      exec: () => Promise.reject(noCluster()),
    },
    dialService: () => Promise.reject(noCluster()),
    dialServiceDatagrams: () => Promise.reject(noCluster()),
    nameOf: () => toPeerName(hostname()),
    facts: standaloneFacts,
    keeper: "state",
    trouble: () => directory.trouble,
    async onConsole(console, during) {
      const secret = await client.get(secrets, { namespace, name: adminTokenSecret.name }, during);
      const token = (secret && decodeData(secret, adminTokenSecret.key)) ?? "";
      await directory.putFile(consoleFile.name, consoleFile.format({ ...console, serverName: consoleName, token }));
    },
    reload: declare,
    close: () => directory.close(),
  };
}

function noCluster(): KubeError {
  return new KubeError({ status: 404, reason: "NotFound", message: "This agent stands alone, in no cluster." });
}
