/** Where an agent stands: what keeps its objects, and what it can reach there. In a cluster, beside one, or in none. */
import type { Clock } from "./base/clock.ts";
import type { Log } from "./base/log.ts";
import type { Config } from "./config.ts";
import type { KubeConnection } from "./kube/connect.ts";

/** What of a cluster is missing where there is none answers that it is not there. */
export interface AgentPlace
  extends Pick<KubeConnection, "client" | "pods" | "dialService" | "dialServiceDatagrams" | "inCluster" | "server"> {
  /** Of the agent's own objects. */
  readonly namespace: string;
  /** Of the agent's pod, or of the kubeconfig's context. */
  readonly podNamespace: string;
  /** The cluster's API for others; undefined where there is no cluster. */
  readonly gateway: KubeConnection["gateway"] | undefined;
  /** Under which the API server's certificate verifies, where that is known. */
  readonly clusterCa: KubeConnection["clusterCa"];
  /** To the cluster's API, for what has no kind of ours; undefined where there is no cluster. */
  readonly requests: Pick<KubeConnection["requests"], "json"> | undefined;
  /** Of the cluster; empty where there is none. */
  readonly kubernetesVersion: string;
  /** What this agent is called unless its settings say it. */
  nameOf(fingerprint: string): string;
  /** What it says of itself to its peers. */
  facts(): Readonly<Record<string, string>>;
  /** The name of what keeps its objects, for health. */
  readonly keeper: "api-server" | "state";
  /** What is wrong with what keeps its objects; undefined when nothing is known to be. */
  trouble(): string | undefined;
  /** Called when the console listens: how it is reached from this machine, and by which CA, PEM, it is known. */
  onConsole(console: { readonly url: string; readonly ca: string }, signal: AbortSignal): Promise<void>;
  /**
   * Takes over what may change while the agent runs. Rejects with what is wrong with it, and then the old holds. When what keeps the
   * agent's objects fails meanwhile, what it has taken by then holds beside the old: what is new comes before what goes.
   */
  reload(config: Config, signal: AbortSignal): Promise<void>;
  close(): Promise<void> | void;
}

export interface PlaceDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
}
