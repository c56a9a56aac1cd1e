/** What this agent can do as it is set up. Pure. */
import type { Config } from "./config.ts";

export interface AgentFeature {
  readonly name: string;
  readonly enabled: boolean;
  /** What it is, in a sentence. */
  readonly description: string;
  /** The setting that decides it; empty when it is where the agent stands. */
  readonly setting: string;
}

export function agentFeatures(config: Config, { hasCluster }: { readonly hasCluster: boolean }): AgentFeature[] {
  const ofCluster = (name: string, description: string): AgentFeature => {
    return { name, enabled: hasCluster, description, setting: "standalone.enabled" };
  };
  return [
    ofCluster("apps", "Apps run here for peers, and there for us."),
    ofCluster("forwards", "A Service here is what a peer has, or the other way round."),
    ofCluster("kubernetes", "Peers can use this cluster's Kubernetes API where a policy lets them."),
    {
      name: "targets",
      enabled: hasCluster || config.standalone.targets.length > 0,
      description: "Peers can reach what runs here where a policy lets them.",
      setting: hasCluster ? "" : "standalone.targets",
    },
    {
      name: "dialled",
      enabled: config.link.url !== undefined,
      description: "Peers can dial this agent, so it can invite them without a relay.",
      setting: "link.url",
    },
    {
      name: "images",
      enabled: config.images.registry !== undefined,
      description: "Nodes here pull images through the link from the peers whose apps they run.",
      setting: "images.registry",
    },
    {
      name: "certificate",
      enabled: config.console.certFile !== undefined,
      description: "The console shows a certificate of its own choice, and not one by this agent's CA.",
      setting: "console.certFile",
    },
  ];
}
