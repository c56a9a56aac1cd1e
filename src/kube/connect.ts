/** Finds the API server and the credentials for it, as kubectl would, and gives everything that this room offers for it. */
import type { RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import type { Clock } from "../base/clock.ts";
import { type ApiGateway, createApiGateway } from "./api-gateway.ts";
import { createKubeClient, type KubeClient } from "./client.ts";
import { openExec } from "./exec.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import { createPodAccess, type PodAccess } from "./pods.ts";
import { openPortForward } from "./port-forward.ts";
import { createRequests, type Endpoint, type Requests } from "./requests.ts";
import { readServiceAccount } from "./service-account.ts";
import { createDialServiceDatagrams, type DialServiceDatagrams } from "./service-datagrams.ts";
import { createDialService, type DialService } from "./services.ts";

export interface ConnectOptions {
  /** Path of a kubeconfig. Without one: the pod's service account if there is one, else $KUBECONFIG, else ~/.kube/config. */
  kubeconfig?: string | undefined;
  /** A context of the kubeconfig; its current one unless given. */
  context?: string | undefined;
  clock: Clock;
}

export interface KubeConnection {
  /** The API server's address, without credentials. */
  readonly server: string;
  /** The context's or the pod's own namespace. */
  readonly namespace: string;
  /** The name of the context in use. */
  readonly context: string;
  /** Whether this runs in a pod of the cluster, so that Services can be reached directly. */
  readonly inCluster: boolean;
  readonly client: KubeClient;
  readonly pods: PodAccess;
  readonly dialService: DialService;
  readonly dialServiceDatagrams: DialServiceDatagrams;
  /** Requests that no verb of the client covers. */
  readonly requests: Requests;
  /** Requests of others, in whose name the caller says. */
  readonly gateway: ApiGateway;
  /** Under which the API server's certificate verifies; undefined where nothing is verified, or by the public roots. */
  clusterCa(): Promise<RequestOptions["ca"]>;
  /** Ends idle connections. */
  close(): void;
}

/** Reads what is configured and makes no request. Rejects with an Error that says what is missing. */
export async function connectKube(o: ConnectOptions): Promise<KubeConnection> {
  const { endpoint, namespace, context, inCluster, config } = await findAccess(o);
  const server = endpoint.server.origin;
  const requests = createRequests({ endpoint, clock: o.clock });
  const gateway = createApiGateway(endpoint);
  const client = createKubeClient({ requests, clock: o.clock, server });
  const exec: PodAccess["exec"] = async (ref, options, signal) =>
    openExec({ config: await config(), server, clock: o.clock }, ref, options, signal);
  const portForward: PodAccess["portForward"] = async (ref, port, signal) =>
    openPortForward({ config: await config(), server, clock: o.clock }, ref, port, signal);
  return {
    server,
    namespace,
    context,
    inCluster,
    client,
    pods: createPodAccess({ requests, server, portForward, exec }),
    dialService: createDialService({ client, portForward, inCluster }),
    dialServiceDatagrams: createDialServiceDatagrams({ inCluster }),
    requests,
    gateway,
    clusterCa: async () => (await endpoint.options()).ca,
    close() {
      requests.close();
      gateway.close();
    },
  };
}

interface Access {
  endpoint: Endpoint;
  namespace: string;
  context: string;
  inCluster: boolean;
  /** For the client library's WebSockets, the one thing of it that is used beside reading a kubeconfig. */
  config(): Promise<KubeConfig>;
}

async function findAccess(o: ConnectOptions): Promise<Access> {
  const isChosen = o.kubeconfig !== undefined || o.context !== undefined;
  const account = isChosen ? undefined : readServiceAccount({ clock: o.clock, env: process.env });
  if (account) return { ...account, context: "in-cluster", inCluster: true, config: loadClusterConfig };
  const { config, ...access } = await readKubeconfig({ path: o.kubeconfig, context: o.context });
  return { ...access, context: config.getCurrentContext(), inCluster: false, config: async () => config };
}

async function loadClusterConfig(): Promise<KubeConfig> {
  const library = await import("@kubernetes/client-node");
  const config = new library.KubeConfig();
  config.loadFromCluster();
  return config;
}
