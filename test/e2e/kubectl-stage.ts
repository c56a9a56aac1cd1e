/**
 * Where kubectl is tried: two agents that the chart installed, of which the one reaches the other's Kubernetes API over a carrier
 * that a test can cut, and kubeconfigs for both ways to that API.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Cluster, openCluster, refreshDefinitions } from "./clusters.ts";
import { type Outcome, type RunOptions, run } from "./command.ts";
import { type CutProxy, openCutProxy } from "./cut-proxy.ts";
import { clean, connected, type InstalledAgent, linkPort, openAgent } from "./installed.ts";

/** Where the peer is tried, and where the administrator does the same; as long as one another, so that columns are as wide. */
export const namespaces = { shared: "kubectl-shared", tunnel: "kubectl-tunnel", direct: "kubectl-direct" } as const;
const ours = /^(fairlead-chart|kubectl-(shared|tunnel|direct)|fairlead-peer-kubectl-[ab])$/;
const consolePort = 31_805;
const program = new URL("../../src/main.ts", import.meta.url).pathname;

/** One way to the API, and where it works unless told otherwise. */
export interface Way {
  readonly kubeconfig: string;
  readonly namespace: string;
}

export interface KubectlStage {
  /** Whose cluster's API is reached, and who reaches it. */
  readonly host: InstalledAgent;
  readonly origin: InstalledAgent;
  readonly b: Cluster;
  /** What the carrier between them passes. */
  readonly proxy: CutProxy;
  /** Scratch, of this run. */
  readonly folder: string;
  /** As `fairlead kubeconfig` writes it: kubectl runs `fairlead kube-token`. */
  readonly plugin: Way;
  /** With a token in it, as for programs that can run nothing. */
  readonly tunnel: Way;
  /** The administrator's own. */
  readonly direct: Way;
  /** `helm upgrade` of the host with `kubernetes.peers`, or without. */
  allowByChart(allow: boolean): Promise<void>;
  close(): Promise<void>;
}

/** The policy that lets a peer's kubectl in, as values of the chart. */
const policy = {
  "policies[0].spec.tunnels.kubernetes": "true",
  "policies[0].spec.kubernetes.groups[0]": "viewers",
};
/** The operator's word for the peer, as values of the chart. */
const allowed = { "kubernetes.peers[0].name": "kubectl-a", "kubernetes.peers[0].groups[0]": "viewers" };

/** The peer is not allowed yet. */
export async function openKubectlStage(): Promise<KubectlStage> {
  const [a, b] = [openCluster("a"), openCluster("b")];
  await clear(b);
  await Promise.all([clean(a, ours), clean(b, ours)]);
  await Promise.all([refreshDefinitions(a), refreshDefinitions(b)]);
  const [origin, host] = await Promise.all([openAgent(a, "kubectl-a"), openAgent(b, "kubectl-b")]);
  const { hostname } = new URL(host.linkUrl);
  const here = await addressTowards(new URL(origin.linkUrl).hostname);
  const proxy = await openCutProxy({ host: hostname, port: linkPort }, here);
  const folder = mkdtempSync(join(tmpdir(), "fairlead-kubectl-"));
  const hostValues = { "link.url": `ws://${here}:${proxy.port}/link`, ...policy };
  await Promise.all([
    origin.install({
      "link.url": "", // Else the host would dial it, past the proxy.
      "console.url": `https://${new URL(origin.linkUrl).hostname}:${consolePort}`,
      "console.service.type": "NodePort",
      "console.service.nodePort": String(consolePort),
    }),
    host.install(hostValues),
  ]);
  await origin.cli(["join", "-"], (await host.cli(["invite", "--grant", "kubectl"])).trim());
  await connected(origin, host);

  const command = join(folder, "fairlead");
  writeFileSync(command, `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`);
  chmodSync(command, 0o755);
  const [plugin, tunnel] = [join(folder, "plugin"), join(folder, "tunnel")];
  await origin.cli(["kubeconfig", host.name, "--command", command, "--file", plugin]);
  await origin.cli(["kubeconfig", host.name, "--with-token", "1h", "--file", tunnel]);
  const stage: KubectlStage = {
    host,
    origin,
    b,
    proxy,
    folder,
    plugin: { kubeconfig: plugin, namespace: namespaces.tunnel },
    tunnel: { kubeconfig: tunnel, namespace: namespaces.tunnel },
    direct: { kubeconfig: b.kubeconfig, namespace: namespaces.direct },
    allowByChart: (allow) => host.install({ ...hostValues, ...(allow && allowed) }),
    async close() {
      rmSync(folder, { recursive: true, force: true });
      proxy.close();
      await clear(b);
      await Promise.all([clean(a, ours), clean(b, ours)]);
    },
  };
  return stage;
}

/** kubectl by one of the ways, to its end. */
export function kubectl(way: Way, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return run(process.env.KUBECTL ?? "kubectl", flagsOf(way, args), { seconds: 90, ...options });
}

export function flagsOf({ kubeconfig, namespace }: Way, args: readonly string[]): string[] {
  return ["--kubeconfig", kubeconfig, "--namespace", namespace, ...args];
}

/** What is outside of namespaces, and would let the peer in at the next run; and pods, which would end slowly. */
async function clear(cluster: Cluster): Promise<void> {
  const now = ["--ignore-not-found", "--force", "--grace-period=0"];
  await cluster.kubectl(["delete", "clusterrolebinding", "kubectl-e2e", "--ignore-not-found"]);
  for (const namespace of Object.values(namespaces))
    await cluster.kubectl(["delete", "deployments,jobs,cronjobs,pods", "--all", "-n", namespace, ...now]);
}

/** This machine's address as that other one sees it. */
async function addressTowards(host: string): Promise<string> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.connect(9, host);
  await once(socket, "connect");
  const { address } = socket.address();
  socket.close();
  return address;
}
