/**
 * An agent at a cluster that runs what others ask of it: the one that the chart installs, with the rights that it has there, where the
 * agent's image is given (E2E_AGENT_IMAGE); otherwise one beside the cluster.
 */
import { type AgentPorts, startAgent } from "./agent.ts";
import type { Cluster } from "./clusters.ts";
import { type InstalledAgent, openAgent } from "./installed.ts";

export interface Lender {
  /** Makes an invite for a peer of this name that may have apps run here. It says this URL, or else the agent's own. */
  invite(name: string, url?: string): Promise<string>;
  /** Where others dial it. */
  readonly linkUrl: string;
  /** Undefined for one beside the cluster. */
  readonly installed?: InstalledAgent;
  end(): Promise<unknown>;
}

export const isInstalled = process.env.E2E_AGENT_IMAGE !== undefined;

/** What the tests ask of their host beyond accepting: storage of the class that the clusters have. */
const rules = { accept: true, storage: { classes: ["standard"] } };

/** `values` are the chart's beyond those of all tests, for which it has to be the installed one. */
export function lend(
  cluster: Cluster,
  place: { name: string; namespace: string },
  ports: AgentPorts,
  values?: Readonly<Record<string, string>>,
): Promise<Lender> {
  const isToInstall = isInstalled || values !== undefined;
  return isToInstall ? installLender(cluster, place.name, values) : startLender(cluster, place, ports);
}

async function startLender(
  cluster: Cluster,
  place: { name: string; namespace: string },
  ports: AgentPorts,
): Promise<Lender> {
  await cluster.kubectl(["create", "namespace", place.namespace]);
  const metadata = { name: "all", namespace: place.namespace };
  const policy = { apiVersion: "fairlead.dev/v1alpha1", kind: "PeerPolicy", metadata, spec: { workloads: rules } };
  await cluster.kubectl(["create", "-f", "-"], JSON.stringify(policy));
  const agent = await startAgent(cluster, ports, place);
  return {
    linkUrl: agent.linkUrl,
    invite: (name, url) => agent.cli(inviting(name, url)),
    end: () => agent.stop(),
  };
}

async function installLender(
  cluster: Cluster,
  name: string,
  values?: Readonly<Record<string, string>>,
): Promise<Lender> {
  const agent = await openAgent(cluster, name);
  await agent.install({ "policies[0].spec.workloads.storage.classes[0]": "standard", ...values });
  return {
    installed: agent,
    linkUrl: agent.linkUrl,
    invite: (peer, url) => agent.cli(inviting(peer, url)),
    // What is installed goes with its namespace.
    end: async () => undefined,
  };
}

function inviting(name: string, url: string | undefined): string[] {
  return ["invite", "--name", name, "--grant", "apps", ...(url === undefined ? [] : ["--url", url])];
}
