/**
 * An app of one cluster that runs on another, and a link between them that can be cut: what the tests of its pods stand on. The agents are
 * those that the chart installs, with the rights that they have there, where their image is given (E2E_AGENT_IMAGE, and HOST_IP, an
 * address of this machine that pods reach); otherwise they run beside the clusters, each with a kubeconfig.
 */
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { startAgent } from "./agent.ts";
import { type Cluster, openCluster, refreshDefinitions } from "./clusters.ts";
import type { Outcome } from "./command.ts";
import { type CutProxy, openCutProxy } from "./cut-proxy.ts";
import { freePort } from "./free-port.ts";
import { clean, linkPort, openAgent, releaseNamespace } from "./installed.ts";
import { until } from "./until.ts";

export interface PodsStage {
  /** Where the RemoteApp `echo` is. */
  readonly namespace: string;
  readonly origin: {
    cli(args: readonly string[], input?: string): Promise<string>;
    tryCli(args: readonly string[], input?: string): Promise<Outcome>;
    spawnCli(args: readonly string[]): ChildProcess;
    /** The flags by which the CLI finds this agent. */
    readonly flags: readonly string[];
  };
  readonly proxy: CutProxy;
  /** Ends the host's agent without a word; resolves when another one is there. */
  killHost(): Promise<void>;
  close(): Promise<void>;
}

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";

type Pair = Pick<PodsStage, "origin" | "proxy" | "killHost"> & {
  readonly host: { cli(args: readonly string[]): Promise<string> };
  /** Where the host's agent is reached through the proxy. */
  readonly url: string;
  stop(): Promise<unknown>;
};

export async function openPodsStage(): Promise<PodsStage> {
  const run = randomBytes(3).toString("hex");
  const namespace = `fairlead-pods-${run}`;
  const names = { origin: `pods-a-${run}`, host: `pods-b-${run}` };
  const [a, b] = [openCluster("a"), openCluster("b")];
  const installed = process.env.E2E_AGENT_IMAGE !== undefined;
  const ours = new RegExp(`^(${namespace}|fairlead-peer-pods-[ab]-${run}${installed ? `|${releaseNamespace}` : ""})$`);
  let stop = async (): Promise<unknown> => undefined;
  const close = async (): Promise<void> => {
    await a
      .kubectl(["delete", "rapp", "-n", namespace, "echo", "--wait=true", "--timeout=60s"])
      .catch(() => "It may never have been made.");
    await stop();
    await Promise.all([a, b].map((cluster) => clean(cluster, ours)));
  };
  try {
    await Promise.all([a, b].map(refreshDefinitions));
    await Promise.all([a, b].map((cluster) => cluster.kubectl(["create", "namespace", namespace])));
    const pair = await (installed ? installPair : startPair)(a, b, names, namespace);
    stop = pair.stop;
    const { origin, host, url, proxy, killHost } = pair;
    const invite = await host.cli(["invite", "--name", names.origin, "--grant", "apps", "--url", url]);
    await origin.cli(["join", "-"], invite.trim());
    const app = {
      apiVersion: "fairlead.dev/v1alpha1",
      kind: "RemoteApp",
      metadata: { name: "echo", namespace },
      spec: { peer: names.host, image, ports: [{ containerPort: 8080 }] },
    };
    await a.kubectl(["apply", "-f", "-"], JSON.stringify(app));
    const phase = async () =>
      (await a.get<{ status?: { phase?: string } }>(["rapp", "-n", namespace, "echo"])).status?.phase === "Ready";
    await until("the app is Ready", phase, { seconds: 120 });
    return { namespace, origin, proxy, killHost, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startPair(
  a: Cluster,
  b: Cluster,
  names: { origin: string; host: string },
  namespace: string,
): Promise<Pair> {
  const ports = async () => ({ console: await freePort(), link: await freePort(), telemetry: await freePort() });
  const hostPorts = await ports();
  const [origin, host] = await Promise.all([
    startAgent(a, await ports(), { name: names.origin, namespace }),
    startAgent(b, hostPorts, { name: names.host, namespace }),
  ]);
  const proxy = await openCutProxy({ host: "127.0.0.1", port: hostPorts.link });
  const policy = {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "PeerPolicy",
    metadata: { name: "all", namespace },
    spec: { workloads: { accept: true }, pods: { exec: true, files: true } },
  };
  await b.kubectl(["create", "-f", "-"], JSON.stringify(policy));
  const flags = ["--server", origin.consoleUrl, "--kubeconfig", a.kubeconfig, "--agent-namespace", namespace];
  return {
    origin: { cli: origin.cli, tryCli: origin.tryCli, spawnCli: origin.spawnCli, flags },
    host,
    proxy,
    url: `ws://127.0.0.1:${proxy.port}`,
    async killHost() {
      await host.kill();
      await host.start();
    },
    async stop() {
      proxy.close();
      await Promise.all([origin.stop(), host.stop()]);
    },
  };
}

async function installPair(a: Cluster, b: Cluster, names: { origin: string; host: string }): Promise<Pair> {
  const [origin, host] = await Promise.all([openAgent(a, names.origin), openAgent(b, names.host)]);
  const pods = { "policies[0].spec.pods.exec": "true", "policies[0].spec.pods.files": "true" };
  // Without a URL of the origin's the host cannot dial it, and all goes through the proxy.
  await Promise.all([origin.install({ "link.url": "" }), host.install(pods)]);
  const { HOST_IP: address, NODE_IP_B: node } = process.env;
  if (!address || !node) throw new Error("HOST_IP and NODE_IP_B must say where this machine and cluster b are");
  const proxy = await openCutProxy({ host: node, port: linkPort }, address);
  return {
    origin: { ...origin, flags: ["--kubeconfig", a.kubeconfig, "--agent-namespace", releaseNamespace] },
    host,
    proxy,
    url: `ws://${address}:${proxy.port}/link`,
    killHost: () => host.killPod(),
    // What is installed goes with its namespace.
    stop: async () => proxy.close(),
  };
}
