/** The two clusters that the end-to-end tests are given, and kubectl on each. */

import { mustRun } from "./command.ts";

export interface Cluster {
  readonly name: "a" | "b";
  readonly kubeconfig: string;
  /** Runs kubectl as the administrator; rejects when it fails. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** `kubectl get … -o json`, parsed. */
  get<T>(args: readonly string[]): Promise<T>;
  /** Shell lines that stop and start the API server; undefined where the one who gives the clusters offers none. */
  readonly apiServer: { stop(): Promise<void>; start(): Promise<void> } | undefined;
}

export function openCluster(name: "a" | "b"): Cluster {
  const suffix = name.toUpperCase();
  const kubeconfig = required(`KUBECONFIG_${suffix}`);
  const binary = process.env.KUBECTL ?? "kubectl";
  const kubectl = (args: readonly string[], input?: string): Promise<string> =>
    mustRun(binary, [...args], { env: { KUBECONFIG: kubeconfig }, ...(input !== undefined && { input }) });
  const stop = process.env[`API_STOP_${suffix}`];
  const start = process.env[`API_START_${suffix}`];
  return {
    name,
    kubeconfig,
    kubectl,
    get: async (args) => JSON.parse(await kubectl(["get", ...args, "-o", "json"])),
    apiServer: stop && start ? { stop: () => shell(stop), start: () => shell(start) } : undefined,
  };
}

/** How to drop all packets between the two clusters, and to let them pass again; undefined where nothing says so. */
export function openNetwork(): { cut(): Promise<void>; heal(): Promise<void> } | undefined {
  const { NETWORK_CUT: cut, NETWORK_HEAL: heal } = process.env;
  return cut && heal ? { cut: () => shell(cut), heal: () => shell(heal) } : undefined;
}

async function shell(line: string): Promise<void> {
  await mustRun("sh", ["-c", line], { seconds: 120 });
}

function required(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set; run these tests by \`make e2e\`, which says what it needs`);
}

/** Brings Fairlead's definitions to what this tree has. Others may have put older ones there. */
export async function applyDefinitions(cluster: Cluster): Promise<void> {
  await cluster.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "charts/fairlead/crds"]);
  await cluster.kubectl(["wait", "--for=condition=Established", "--timeout=30s", "-f", "charts/fairlead/crds"]);
}

/** The same, but a cluster without any is left for whoever installs them. */
export async function refreshDefinitions(cluster: Cluster): Promise<void> {
  const present = await cluster.kubectl(["get", "crd", "-o", "name"]);
  if (present.includes(".fairlead.dev")) await applyDefinitions(cluster);
}
