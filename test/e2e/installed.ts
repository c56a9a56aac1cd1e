/** An agent that the chart installed into a cluster, used as its users do: helm, kubectl, and the CLI through the kubeconfig. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { findHelm } from "../../bin/helm.ts";
import type { Cluster } from "./clusters.ts";
import { mustRun, type Outcome, run } from "./command.ts";
import { until } from "./until.ts";

const root = new URL("../..", import.meta.url).pathname;

/** Not fairlead-system, so that nothing leans on the default. */
export const releaseNamespace = "fairlead-chart";
/** The NodePort of its link. */
export const linkPort = 31_801;

export interface InstalledAgent {
  readonly name: string;
  readonly cluster: Cluster;
  /** Where others dial it. */
  readonly linkUrl: string;
  /** `helm upgrade --install` with these values beside those of the test, and wait until it is ready. */
  install(values?: Readonly<Record<string, string>>): Promise<void>;
  uninstall(): Promise<void>;
  cli(args: readonly string[], input?: string): Promise<string>;
  tryCli(args: readonly string[], input?: string): Promise<Outcome>;
  spawnCli(args: readonly string[]): ChildProcess;
  /** Calls `use` with the console's address on loopback and the headers that it wants, by `kubectl port-forward`. */
  withConsole<T>(use: (url: string, headers: { authorization: string }) => Promise<T>): Promise<T>;
  /** Ends the agent's pod at once, and waits until another one is ready. */
  killPod(): Promise<void>;
  linkState(peer: string): Promise<string | undefined>;
}

/** The image under test, as repository and tag. Throws an Error that says how to get one. */
function agentImage(): { repository: string; tag: string } {
  const [, repository, tag] = /^(.+):([^:/]+)$/.exec(process.env.E2E_AGENT_IMAGE ?? "") ?? [];
  if (repository && tag) return { repository, tag };
  throw new Error(
    "E2E_AGENT_IMAGE is not set: name the agent's image, with a tag, that both clusters can run. `make image IMAGE=…` builds it.",
  );
}

/** `namespace` is where its release is; `releaseNamespace` unless given. */
export async function openAgent(
  cluster: Cluster,
  name: string,
  namespace: string = releaseNamespace,
): Promise<InstalledAgent> {
  const image = agentImage();
  const address = process.env[`NODE_IP_${cluster.name.toUpperCase()}`] ?? (await nodeAddress(cluster));
  const helm = (args: readonly string[]): Promise<string> =>
    mustRun(findHelm(), [...args, "--kubeconfig", cluster.kubeconfig, "--namespace", namespace], {
      seconds: 180,
    });
  const cliArgs = (args: readonly string[]): string[] => [
    `${root}src/main.ts`,
    "--kubeconfig",
    cluster.kubeconfig,
    "--agent-namespace",
    namespace,
    ...args,
  ];
  const options = (input: string | undefined) => ({ seconds: 120, ...(input !== undefined && { input }) });
  const rollout = (): Promise<string> =>
    cluster.kubectl(["-n", namespace, "rollout", "status", "deployment/fairlead", "--timeout=50s"]);

  const linkUrl = `ws://${address}:${linkPort}/link`;
  return {
    name,
    cluster,
    linkUrl,
    async install(values = {}) {
      const all = {
        name,
        "image.repository": image.repository,
        "image.tag": image.tag,
        "link.service.type": "NodePort",
        "link.service.nodePort": String(linkPort),
        "link.url": linkUrl,
        // Without a policy nothing of a peer runs.
        "policies[0].name": "all",
        "policies[0].spec.workloads.accept": "true",
        ...values,
      };
      const set = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
      await helm(["upgrade", "--install", "fairlead", `${root}charts/fairlead`, "--create-namespace", ...set]);
      await rollout();
    },
    uninstall: async () => void (await helm(["uninstall", "fairlead", "--wait"])),
    cli: (args, input) => mustRun(process.execPath, cliArgs(args), options(input)),
    tryCli: (args, input) => run(process.execPath, cliArgs(args), options(input)),
    spawnCli: (args) => spawn(process.execPath, cliArgs(args), { stdio: ["ignore", "pipe", "pipe"] }),
    async withConsole(use) {
      const secret = await cluster.get<{ data: { token: string } }>([
        "secret",
        "-n",
        namespace,
        "fairlead-admin-token",
      ]);
      const authorization = `Bearer ${Buffer.from(secret.data.token, "base64")}`;
      const forward = spawn(
        process.env.KUBECTL ?? "kubectl",
        ["--kubeconfig", cluster.kubeconfig, "-n", namespace, "port-forward", "service/fairlead", ":8000"],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      try {
        const lines = createInterface({ input: forward.stdout });
        const [line] = await once(lines, "line", { signal: AbortSignal.timeout(20_000) });
        const port = /127\.0\.0\.1:(\d+)/.exec(String(line))?.[1];
        return await use(`http://127.0.0.1:${port}`, { authorization });
      } finally {
        forward.kill();
      }
    },
    async killPod() {
      const pods = await cluster.kubectl(["-n", namespace, "get", "pods", "-l", selector, "-o", "name"]);
      await cluster.kubectl(["-n", namespace, "delete", ...pods.trim().split("\n"), "--force", "--grace-period=0"]);
      await rollout();
    },
    async linkState(peer) {
      const found = await cluster.get<{ status?: { link?: { state?: string } } }>(["peers", "-n", namespace, peer]);
      return found.status?.link?.state;
    },
  };
}

const selector = "app.kubernetes.io/name=fairlead";

/** Both know that they are connected. */
export async function connected(one: InstalledAgent, other: InstalledAgent, seconds = 60): Promise<void> {
  for (const [agent, peer] of [
    [one, other.name],
    [other, one.name],
  ] as const) {
    let state: string | undefined;
    await until(
      `${agent.name} is connected with ${peer}`,
      async () => {
        state = await agent.linkState(peer);
        return state === "Connected";
      },
      { seconds, seen: () => state },
    );
  }
}

/** Removes what an earlier run or this one left, finalizers included: no agent is there to take them off. */
export async function clean(cluster: Cluster, namespaces: RegExp): Promise<void> {
  interface Listed {
    items: { metadata: { name: string; namespace: string } }[];
  }
  const helm = (...args: string[]) => mustRun(findHelm(), [...args, "--kubeconfig", cluster.kubeconfig]);
  const releases: { name: string; namespace: string }[] = JSON.parse(await helm("list", "-A", "-o", "json"));
  for (const { name, namespace } of releases) {
    // What a release has outside of its namespace would go with nobody, and be in the way of the next.
    if (namespaces.test(namespace)) await helm("uninstall", name, "-n", namespace, "--wait");
  }
  const crds = await cluster.kubectl(["get", "crd", "-o", "name"]);
  for (const kind of ["remoteapps", "workloads"]) {
    if (!crds.includes(`${kind}.fairlead.dev`)) continue;
    const { items } = await cluster.get<Listed>([kind, "-A"]);
    for (const { metadata } of items.filter((item) => namespaces.test(item.metadata.namespace))) {
      const patch = JSON.stringify({ metadata: { finalizers: null } });
      await cluster.kubectl(["patch", kind, "-n", metadata.namespace, metadata.name, "--type=merge", "-p", patch]);
    }
  }
  const { items } = await cluster.get<Listed>(["namespaces"]);
  const ours = items.map(({ metadata }) => metadata.name).filter((name) => namespaces.test(name));
  if (ours.length > 0)
    await cluster.kubectl(["delete", "namespace", ...ours, "--ignore-not-found", "--wait=true", "--timeout=50s"]);
}

/** The cluster's own address of one of its nodes. */
async function nodeAddress(cluster: Cluster): Promise<string> {
  interface Nodes {
    items: { status: { addresses: { type: string; address: string }[] } }[];
  }
  const { items } = await cluster.get<Nodes>(["nodes"]);
  const found = items[0]?.status.addresses.find(({ type }) => type === "InternalIP");
  if (!found)
    throw new Error(
      `cluster ${cluster.name} has no node with an InternalIP; set NODE_IP_${cluster.name.toUpperCase()}`,
    );
  return found.address;
}
