/** `AgentService`: who this agent is, and how it is set up. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { AgentService } from "../../gen/fairlead/console/v1/agent_service_pb.ts";

export interface AgentServiceDeps {
  /** What stays as long as the process. */
  readonly about: {
    readonly name: string;
    readonly fingerprint: string;
    readonly version: string;
    readonly instance: string;
    readonly startedAt: string;
    readonly namespace: string;
    readonly kubernetesVersion: string;
  };
  /** The URL at which peers can dial this agent; empty without one. */
  url(): string;
  counts(): {
    readonly peers: number;
    readonly peersConnected: number;
    readonly apps: number;
    readonly appsReady: number;
    readonly workloads: number;
  };
  settings(): readonly { name: string; value: string; source: string; description: string }[];
}

export function createAgentService(deps: AgentServiceDeps): ServiceImpl<typeof AgentService> {
  return {
    getInfo: () => ({ ...deps.about, url: deps.url(), ...deps.counts() }),
    listSettings: () => ({ settings: deps.settings().map((setting) => ({ ...setting })) }),
  };
}
