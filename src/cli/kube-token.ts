/**
 * `fairlead kube-token`, which kubectl runs each time that it starts: answered from what is kept, if the words are as a kubeconfig has them, and
 * without loading what asks an agent.
 */
import { delimiter, isAbsolute, resolve } from "node:path";
import { type KubeToken, type KubeTokenCache, openKubeTokenCache } from "./kube-token-cache.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** All by which a token is another one, beside what is in the environment. */
export interface KubeTokenCall {
  readonly peer: string;
  readonly server?: string | undefined;
  readonly token?: string | undefined;
  readonly state?: string | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly agentNamespace?: string | undefined;
}

const flags: Readonly<Record<string, keyof KubeTokenCall>> = {
  "--server": "server",
  "--state": "state",
  "--kubeconfig": "kubeconfig",
  "--context": "context",
  "--agent-namespace": "agentNamespace",
};

/**
 * What a kubeconfig has. No token is written down: who runs kubectl has to have one, or a kubeconfig through which the agent is found.
 * Paths are written whole, since kubectl is run in any directory.
 */
export function kubeTokenWords({ peer, server, state, kubeconfig, context, agentNamespace }: KubeTokenCall): string[] {
  return [
    "kube-token",
    peer,
    ...(server === undefined ? [] : ["--server", server]),
    ...(state === undefined ? [] : ["--state", resolve(state)]),
    ...(kubeconfig === undefined ? [] : ["--kubeconfig", resolve(kubeconfig)]),
    ...(context === undefined ? [] : ["--context", context]),
    ...(agentNamespace === undefined ? [] : ["--agent-namespace", agentNamespace]),
  ];
}

/** The call, as `fairlead kubeconfig` writes it; undefined for everything else, which the whole program has to read. */
export function readKubeTokenCall([command, peer, ...rest]: readonly string[]): KubeTokenCall | undefined {
  if (command !== "kube-token" || peer === undefined || peer.startsWith("-")) return undefined;
  const call: { -readonly [K in keyof KubeTokenCall]: KubeTokenCall[K] } = { peer };
  for (let i = 0; i < rest.length; i += 2) {
    const name = flags[rest[i] ?? ""];
    const value = rest[i + 1];
    if (name === undefined || call[name] !== undefined || value === undefined || value.startsWith("-"))
      return undefined;
    call[name] = value;
  }
  return call;
}

export function kubeTokenCache(call: KubeTokenCall, env: Env): KubeTokenCache {
  const { peer, server, token, state, kubeconfig, context, agentNamespace } = call;
  const { FAIRLEAD_SERVER, FAIRLEAD_TOKEN, FAIRLEAD_STATE, STATE_DIRECTORY, KUBECONFIG, HOME } = env;
  const ambient = [FAIRLEAD_SERVER, FAIRLEAD_TOKEN, FAIRLEAD_STATE, STATE_DIRECTORY, KUBECONFIG, HOME];
  const paths = [state, kubeconfig, FAIRLEAD_STATE, KUBECONFIG];
  // What does not begin at the root is another file in another directory.
  const from = paths.some(isRelative) ? process.cwd() : undefined;
  const about = [peer, server, token, state, kubeconfig, context, agentNamespace, ...ambient, from];
  return openKubeTokenCache({ env, about, now: Date.now });
}

/** A path, or a list of them as in KUBECONFIG. */
function isRelative(paths: string | undefined): boolean {
  return (paths ?? "").split(delimiter).some((path) => path !== "" && !isAbsolute(path));
}

/** What kubectl reads. */
export function credentialOf({ token, expires }: KubeToken): string {
  const status = { token, expirationTimestamp: expires };
  return `${JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1", kind: "ExecCredential", status })}\n`;
}
