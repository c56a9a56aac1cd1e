/** Finds the API server and the credentials for it, as kubectl would, and gives everything that this room offers for it. */
import { existsSync, readFileSync } from "node:fs";
import { KubeConfig } from "@kubernetes/client-node";
import type { Clock } from "../base/clock.ts";
import { createKubeClient, type KubeClient } from "./client.ts";
import { createPodAccess, type PodAccess } from "./pods.ts";
import { openPortForward } from "./port-forward.ts";
import { createRequests, type Endpoint, type Requests } from "./requests.ts";
import { createDialService, type DialService } from "./services.ts";

export interface ConnectOptions {
  /** Path of a kubeconfig. Without one: the pod's service account if there is one, else $KUBECONFIG, else ~/.kube/config. */
  kubeconfig?: string | undefined;
  /** A context of the kubeconfig; its current one unless given. */
  context?: string | undefined;
  clock: Clock;
  /** The longest that an ordinary request may take, in milliseconds; 30,000 unless given. */
  timeoutMs?: number | undefined;
}

export interface KubeConnection {
  /** The API server's address, without credentials. */
  readonly server: string;
  /** The context's or the pod's own namespace. */
  readonly namespace: string;
  /** Whether this runs in a pod of the cluster, so that Services can be reached directly. */
  readonly inCluster: boolean;
  readonly client: KubeClient;
  readonly pods: PodAccess;
  readonly dialService: DialService;
  /** Requests that no verb of the client covers. */
  readonly requests: Requests;
  /** Ends idle connections. */
  close(): void;
}

const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** Reads the kubeconfig and makes no request. Throws an Error that says what is missing. */
export function connectKube(o: ConnectOptions): KubeConnection {
  const { config, inCluster } = loadConfig(o);
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error(explainNoCluster(o, config));
  const endpoint: Endpoint = { server: new URL(cluster.server), options: () => readOptions(config) };
  const server = endpoint.server.origin;
  const timeout = o.timeoutMs === undefined ? {} : { timeoutMs: o.timeoutMs };
  const requests = createRequests({ endpoint, clock: o.clock, ...timeout });
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? "default";
  const client = createKubeClient({ requests, clock: o.clock, currentNamespace: namespace, server });
  const portForward: PodAccess["portForward"] = (ref, port, signal) =>
    openPortForward(config, cluster.server.replace(/\/$/, ""), ref, port, signal);
  return {
    server,
    namespace,
    inCluster,
    client,
    pods: createPodAccess({ requests, server, portForward }),
    dialService: createDialService({ client, portForward, inCluster }),
    requests,
    close: () => requests.close(),
  };
}

function loadConfig(o: ConnectOptions): { config: KubeConfig; inCluster: boolean } {
  const config = new KubeConfig();
  const inCluster = o.kubeconfig === undefined && o.context === undefined && isInCluster();
  if (inCluster) config.loadFromCluster();
  else if (o.kubeconfig === undefined) config.loadFromDefault();
  else loadFile(config, o.kubeconfig);
  if (o.context !== undefined) config.setCurrentContext(o.context);
  config.clusters = config.clusters.map((cluster) =>
    // The library refuses clear text unless TLS is not to be verified. On this very machine nobody listens in between.
    isLoopback(cluster.server) ? { ...cluster, skipTLSVerify: true } : cluster,
  );
  return { config, inCluster };
}

function isInCluster(): boolean {
  return process.env.KUBERNETES_SERVICE_HOST !== undefined && existsSync(serviceAccountToken);
}

function loadFile(config: KubeConfig, path: string): void {
  try {
    readFileSync(path);
  } catch (cause) {
    throw new Error(`The kubeconfig ${path} cannot be read. Check --kubeconfig.`, { cause });
  }
  try {
    config.loadFromFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${path} is no kubeconfig: ${why}`, { cause });
  }
}

function explainNoCluster(o: ConnectOptions, config: KubeConfig): string {
  const known = config.getContexts().map(({ name }) => name);
  const wanted = o.context ?? config.getCurrentContext();
  if (!wanted) return "The kubeconfig has no current context. Name one with --context.";
  return `There is no context "${wanted}" with a cluster in the kubeconfig. It has: ${known.join(", ") || "none"}.`;
}

function isLoopback(server: string): boolean {
  return /^http:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|\/|$)/.test(server);
}

/** TLS settings and credentials. The library's own agent keeps no connection, so ours is used unless a proxy is asked for. */
async function readOptions(config: KubeConfig): ReturnType<Endpoint["options"]> {
  const options: Awaited<ReturnType<Endpoint["options"]>> = {};
  await config.applyToHTTPSOptions(options);
  const { agent, ...rest } = options;
  return config.getCurrentCluster()?.proxyUrl && agent ? { ...rest, agent } : rest;
}
