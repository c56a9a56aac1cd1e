/** How a command finds its agent: by address, or through the kubeconfig as kubectl would. */
import { Agent } from "node:http";
import type { Duplex } from "node:stream";
import { createConnectTransport } from "@connectrpc/connect-node";
import { DialingAgent } from "../base/dialing-agent.ts";
import { errorText } from "../base/error-text.ts";
import { createFairleadClient } from "../client/index.ts";
import type { Connection, ConnectionOptions } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { explainNoSession } from "./unreachable.ts";

/** The Secret in the agent's namespace that holds the token of the first administrator, under `token`. */
export const adminTokenSecret = "fairlead-admin-token";

/** The cluster that a kubeconfig names, as far as a command needs it. */
export interface Cluster {
  /** The context's namespace, if it names one. */
  readonly namespace: string | undefined;
  /** The agent's admin token; undefined when there is no such Secret. */
  readToken(agentNamespace: string, signal: AbortSignal): Promise<string | undefined>;
  /** A connection to the console port of the agent's Service. */
  dialAgent(agentNamespace: string, signal: AbortSignal): Promise<Duplex>;
}

export interface ConnectionDeps {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Of this program. */
  readonly version: string;
  /** Throws when there is no usable kubeconfig. */
  openCluster(options: { kubeconfig?: string; context?: string }): Promise<Cluster>;
}

/** Finds the agent. The token never stands in an error. */
export async function connectToAgent(
  deps: ConnectionDeps,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<Connection> {
  const agentNamespace = options.agentNamespace ?? "fairlead-system";
  const { server, token: given } = chooseAddress(deps.env, options);
  const cluster = await openCluster(deps, options, server !== undefined && given !== undefined);
  const token = given ?? (await readToken(cluster, agentNamespace, signal));
  const agent = server === undefined ? throughCluster(requireCluster(cluster)) : new Agent({ keepAlive: true });
  const baseUrl = server === undefined ? "http://fairlead" : readServer(server);
  const address = server === undefined ? `the Service fairlead in namespace ${agentNamespace}` : baseUrl;
  const nodeOptions = baseUrl.startsWith("https:") ? {} : { agent };
  return {
    client: createFairleadClient({
      transport: createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
      token,
    }),
    namespace: cluster?.namespace ?? "default",
    address,
    async openSession(stop) {
      const { openAgentSession } = await import("../client/session.ts");
      // Also the later ones, with which it goes on.
      const dial =
        server === undefined
          ? (during: AbortSignal) => requireCluster(cluster).dialAgent(agentNamespace, during)
          : undefined;
      try {
        return await openAgentSession({ url: baseUrl, token, dial, version: deps.version }, stop);
      } catch (error) {
        throw explainNoSession(error, address, stop);
      }
    },
    close: () => agent.destroy(),
  };

  function throughCluster(found: Cluster): Agent {
    return new DialingAgent(() => found.dialAgent(agentNamespace, signal), { keepAlive: true, maxSockets: 8 });
  }
}

/**
 * Flags before environment. Who names a kubeconfig or a context by flag means the agent there: FAIRLEAD_SERVER, and the
 * token that goes with it, are about another one then.
 */
function chooseAddress(
  env: ConnectionDeps["env"],
  { server, token, kubeconfig, context }: ConnectionOptions,
): { server: string | undefined; token: string | undefined } {
  const ambient = env.FAIRLEAD_SERVER || undefined;
  const isElsewhere = server === undefined && ambient !== undefined && (kubeconfig ?? context) !== undefined;
  if (isElsewhere) return { server: undefined, token };
  return { server: server ?? ambient, token: token ?? (env.FAIRLEAD_TOKEN || undefined) };
}

async function openCluster(
  deps: ConnectionDeps,
  options: ConnectionOptions,
  optional: boolean,
): Promise<Cluster | undefined> {
  try {
    return await deps.openCluster({
      ...(options.kubeconfig !== undefined && { kubeconfig: options.kubeconfig }),
      ...(options.context !== undefined && { context: options.context }),
    });
  } catch (error) {
    if (optional && options.kubeconfig === undefined && options.context === undefined) return undefined;
    throw new CliError(`the agent cannot be found: ${errorText(error)}`, {
      code: exitCode.unavailable,
      hint: "--kubeconfig FILE, or --server URL with FAIRLEAD_TOKEN",
      cause: error,
    });
  }
}

function requireCluster(cluster: Cluster | undefined): Cluster {
  if (cluster) return cluster;
  throw new CliError("neither a kubeconfig nor --server says where the agent is", { code: exitCode.usage });
}

async function readToken(cluster: Cluster | undefined, agentNamespace: string, signal: AbortSignal): Promise<string> {
  const where = `the Secret ${adminTokenSecret} in namespace ${agentNamespace}`;
  let token: string | undefined;
  try {
    token = await requireCluster(cluster).readToken(agentNamespace, signal);
  } catch (error) {
    if (error instanceof CliError || signal.aborted) throw error;
    throw new CliError(`${where} cannot be read: ${errorText(error)}`, {
      code: exitCode.unavailable,
      hint: "give a token as FAIRLEAD_TOKEN, or a kubeconfig that may read it",
      cause: error,
    });
  }
  if (token !== undefined) return token;
  throw new CliError(`there is no agent in namespace ${agentNamespace}: ${where} does not exist`, {
    code: exitCode.notFound,
    hint: "--agent-namespace NAME, --context NAME, or FAIRLEAD_TOKEN",
  });
}

function readServer(server: string): string {
  const url = URL.parse(/^https?:\/\//.test(server) ? server : `http://${server}`);
  if (url) return url.href.replace(/\/$/, "");
  throw new CliError(`${JSON.stringify(server)} is no address`, {
    code: exitCode.usage,
    hint: "--server http://localhost:8000",
  });
}
