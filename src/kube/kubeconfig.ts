/**
 * The API server and the credentials that a kubeconfig names, with everything that kubectl takes: tokens, certificates, exec
 * plugins, OIDC, proxies. The client library knows them; it is loaded only when asked for, because it is large (85 MiB of
 * memory, half a second) and an agent in a pod needs nothing of it.
 */
import { readFileSync } from "node:fs";
import type { KubeConfig } from "@kubernetes/client-node";
import { errorText } from "../base/error-text.ts";
import type { Endpoint } from "./requests.ts";

export interface KubeconfigAccess {
  endpoint: Endpoint;
  /** The context's namespace; "default" unless it names one. */
  namespace: string;
  config: KubeConfig;
}

/** Nothing names a cluster: no file, no $KUBECONFIG, no ~/.kube/config. */
export class NoKubeconfig extends Error {
  override readonly name = "NoKubeconfig";
}

/** Reads a kubeconfig, $KUBECONFIG or ~/.kube/config. Rejects with an Error that says what is missing; with NoKubeconfig when all is. */
export async function readKubeconfig(o: {
  path?: string | undefined;
  context?: string | undefined;
}): Promise<KubeconfigAccess> {
  const library = await import("@kubernetes/client-node");
  const config = new library.KubeConfig();
  if (o.path === undefined) config.loadFromDefault();
  else loadFile(config, o.path);
  if (o.context !== undefined) config.setCurrentContext(o.context);
  config.clusters = config.clusters.map((cluster) =>
    // The library refuses clear text unless TLS is not to be verified. On this very machine nobody listens in between.
    isLoopback(cluster.server) ? { ...cluster, skipTLSVerify: true } : cluster,
  );
  const cluster = config.getCurrentCluster();
  if (isMadeUp(config)) throw new NoKubeconfig("There is no kubeconfig. Name one with --kubeconfig or in $KUBECONFIG.");
  if (!cluster) throw new Error(explainNoCluster(o.context, config));
  return {
    config,
    endpoint: { server: new URL(cluster.server), options: () => readOptions(config) },
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? "default",
  };
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
    // The first line says what is wrong and where. Those after it quote the file, which holds credentials, as does the cause.
    const [why = ""] = errorText(cause).split("\n");
    throw new Error(`${path} is no kubeconfig: ${why}`);
  }
}

/** What the library invents when there is no kubeconfig at all. */
function isMadeUp(config: KubeConfig): boolean {
  return (
    config.getCurrentContext() === "loaded-context" && config.getCurrentCluster()?.server === "http://localhost:8080"
  );
}

function explainNoCluster(wanted: string | undefined, config: KubeConfig): string {
  const known = config.getContexts().map(({ name }) => name);
  const context = wanted ?? config.getCurrentContext();
  if (!context) return "The kubeconfig has no current context. Name one with --context.";
  return `There is no context "${context}" with a cluster in the kubeconfig. It has: ${known.join(", ") || "none"}.`;
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
