/** How a command finds its agent: by address, or through the kubeconfig as kubectl would. */
import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import type { Duplex } from "node:stream";
import { DialingAgent } from "../base/dialing-agent.ts";
import { errorText } from "../base/error-text.ts";
import { createFairleadClient } from "../client/node.ts";
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
  /** Undefined when there is no kubeconfig; rejects when one cannot be used. */
  openCluster(options: { kubeconfig?: string; context?: string }): Promise<Cluster | undefined>;
  /** The console of the agent without a cluster that has this directory; undefined when none has. Rejects when it cannot be read. */
  findConsole(directory: string): Promise<FoundConsole | undefined>;
}

/** Who shows another certificate at the address is not that agent, and gets no token. */
export interface FoundConsole extends Pinned {
  /** With https. */
  readonly url: string;
  readonly token: string;
}

interface Pinned {
  /** PEM; the only one that counts. */
  readonly ca: string;
  /** What the certificate must be for, whatever the address. */
  readonly serverName: string;
}

/** Where such an agent keeps its state unless it was told otherwise. */
const usualDirectory = "/var/lib/fairlead";

/** Finds the agent. The token never stands in an error. */
export async function connectToAgent(
  deps: ConnectionDeps,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<Connection> {
  const agentNamespace = options.agentNamespace ?? "fairlead-system";
  const chosen = chooseAddress(deps.env, options);
  const { cluster, server, token: given, pinned } = await find(deps, options, chosen);
  const token = given ?? (await readToken(cluster, agentNamespace, signal));
  const tls = pinned && { ca: pinned.ca, servername: pinned.serverName };
  const agent = tls
    ? new TlsAgent({ keepAlive: true, ...tls })
    : server === undefined
      ? throughCluster(requireCluster(cluster))
      : new Agent({ keepAlive: true });
  const baseUrl = server === undefined ? "http://fairlead" : readServer(server);
  const address = server === undefined ? `the Service fairlead in namespace ${agentNamespace}` : baseUrl;
  const nodeOptions = baseUrl.startsWith("https:") && !tls ? {} : { agent };
  return {
    client: createFairleadClient({ url: baseUrl, token, ...nodeOptions }),
    namespace: cluster?.namespace ?? "default",
    address,
    async openSession(stop) {
      const [{ openAgentSession }, { dialUrl }] = await Promise.all([
        import("../client/session.ts"),
        import("../client/dial-url.ts"),
      ]);
      // Also the later ones, with which it goes on.
      const dial =
        server === undefined
          ? (during: AbortSignal) => requireCluster(cluster).dialAgent(agentNamespace, during)
          : (during: AbortSignal) => dialUrl(baseUrl, during, tls);
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

interface Address {
  readonly server: string | undefined;
  readonly token: string | undefined;
  /** The directory of an agent without a cluster. */
  readonly state?: string | undefined;
}

/**
 * Flags before environment. Who names a kubeconfig, a context or a directory by flag means the agent there: FAIRLEAD_SERVER, and the
 * token that goes with it, are about another one then.
 */
function chooseAddress(
  env: ConnectionDeps["env"],
  { server, token, state, kubeconfig, context }: ConnectionOptions,
): Address {
  if (server !== undefined) return { server, token: token ?? (env.FAIRLEAD_TOKEN || undefined) };
  if (state !== undefined) return { server, token, state };
  const ambient = env.FAIRLEAD_SERVER || undefined;
  const isElsewhere = (kubeconfig ?? context) !== undefined;
  if (isElsewhere && ambient !== undefined) return { server: undefined, token };
  const ambientState = isElsewhere || ambient !== undefined ? undefined : env.FAIRLEAD_STATE || undefined;
  return { server: ambient, token: token ?? (env.FAIRLEAD_TOKEN || undefined), state: ambientState };
}

async function find(
  deps: ConnectionDeps,
  options: ConnectionOptions,
  { server, token, state }: Address,
): Promise<Address & { readonly cluster: Cluster | undefined; readonly pinned?: Pinned }> {
  if (state !== undefined) {
    const found = await readConsole(deps, state);
    if (found) return found(token);
    throw new CliError(`no agent has the directory ${state}, or it has not started yet`, {
      code: exitCode.unavailable,
      hint: "fairlead agent --standalone --state DIRECTORY starts one",
    });
  }
  const cluster = await openCluster(deps, options, server !== undefined && token !== undefined);
  if (cluster || (server !== undefined && token !== undefined)) return { cluster, server, token };
  // Who says where the agent is means that one; only who says nothing at all may mean the one of this machine.
  const isSaid = (server ?? options.kubeconfig ?? options.context) !== undefined || Boolean(deps.env.KUBECONFIG);
  const found = isSaid ? undefined : await readConsole(deps, usualDirectory);
  // A token of the environment goes with the address there; alone it is of whatever agent, and not for this one.
  if (found) return found(options.token);
  throw notFound("There is no kubeconfig. Name one with --kubeconfig or in $KUBECONFIG.");
}

/** What the agent of that directory is reached by, with the token that is given or else its own. */
async function readConsole(deps: ConnectionDeps, directory: string) {
  try {
    const found = await deps.findConsole(directory);
    if (!found) return undefined;
    const { url, token: own, ca, serverName } = found;
    return (token: string | undefined) => {
      return { cluster: undefined, server: url, token: token ?? own, pinned: { ca, serverName } };
    };
  } catch (cause) {
    throw new CliError(`the agent in ${directory} cannot be found: ${errorText(cause)}`, {
      code: exitCode.denied,
      hint: "only the user that the agent runs as, and root, may read its directory",
      cause,
    });
  }
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
    throw notFound(errorText(error), error);
  }
}

function notFound(why: string, cause?: unknown): CliError {
  return new CliError(`the agent cannot be found: ${why}`, {
    code: exitCode.unavailable,
    hint: "--kubeconfig FILE, or --server URL with FAIRLEAD_TOKEN, or --state DIRECTORY of an agent without a cluster",
    cause,
  });
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
