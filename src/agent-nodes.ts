/** What peers may read of this cluster's nodes: where their kubelets are, and how they are asked. */
import { readFile } from "node:fs/promises";
import type { AgentPlace } from "./agent-place.ts";
import type { Clock } from "./base/clock.ts";
import type { Config } from "./config.ts";
import { createKubeletToken } from "./kube/kubelet-token.ts";
import { createKubelets, type Kubelets, type KubeletTrust } from "./kube/kubelets.ts";
import { createNodeLook, type NodeLook } from "./kube/node-list.ts";

export interface AgentNodes {
  readonly look: NodeLook;
  readonly kubelets: Kubelets;
}

/** Rejects when a file that a setting names cannot be read. */
export async function readKubeletTrust(config: Pick<Config, "nodes">): Promise<KubeletTrust> {
  if (config.nodes.insecure) return "none";
  return config.nodes.caFile === undefined ? "cluster" : { ca: await readFile(config.nodes.caFile, "utf8") };
}

/** Undefined where no cluster is. */
export function agentNodes(deps: {
  readonly place: Pick<AgentPlace, "client" | "requests" | "namespace" | "clusterCa">;
  readonly trust: KubeletTrust;
  readonly config: Pick<Config, "nodes">;
  isKeptOut(address: string, port: number): boolean;
  readonly clock: Clock;
}): AgentNodes | undefined {
  const { place, trust, config, isKeptOut, clock } = deps;
  const serviceAccount = config.nodes.serviceAccount;
  const { client, requests, namespace } = place;
  if (!requests) return undefined;
  const token = createKubeletToken({ requests, namespace, serviceAccount, clock });
  return {
    look: createNodeLook({ client, isKeptOut, clock }),
    kubelets: createKubelets({ token, trust, clusterCa: () => place.clusterCa(), clock }),
  };
}
