import assert from "node:assert/strict";
import type { Cluster } from "./clusters.ts";
import type { InstalledAgent } from "./installed.ts";
import type { PolicyStage } from "./policy-rights.ts";
import { until } from "./until.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";

/** A server in this namespace, and a pod of it to ask from. */
export function echoServer(namespace: string): string {
  const labels = { app: "echo" };
  const template = {
    metadata: { labels },
    spec: { containers: [{ name: "echo", image }], terminationGracePeriodSeconds: 0 },
  };
  const ports = [
    { name: "http", port: 80, targetPort: 8080 },
    { name: "talk", port: 9000 },
  ];
  const metadata = { name: "echo", namespace };
  const items = [
    { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { selector: { matchLabels: labels }, template } },
    { apiVersion: "v1", kind: "Service", metadata, spec: { selector: labels, ports } },
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

/** A Forward in a namespace where none may have a Service says which value of the chart lets it. */
export async function forwardNamesItsRight(
  { cluster, cli }: Pick<InstalledAgent, "cluster" | "cli">,
  namespace: string,
  peer: string,
): Promise<void> {
  const spec = { peer, target: "app/echo", ports: [{ name: "http", port: 80, targetPort: 8080 }] };
  const forward = { apiVersion: "fairlead.dev/v1alpha1", kind: "Forward", metadata: { name: "echo", namespace }, spec };
  await cluster.kubectl(["apply", "-f", "-"], JSON.stringify(forward));
  await until("its status names the value", async () => {
    const { status } = await cluster.get<{ status?: { message?: string } }>(["forward", "echo", "-n", namespace]);
    return status?.message?.includes(`forwards.namespaces: [${namespace}]`) ?? false;
  });
  // The console may show it, and may not write there.
  assert.match(await cli(["forward", "get", "echo", "-n", namespace]), new RegExp(`${peer} +app/echo`));
  const value = new RegExp(`forwards\\.namespaces: \\[${namespace}\\]`);
  await assert.rejects(cli(["forward", "delete", "echo", "-n", namespace]), value);
  await cluster.kubectl(["delete", "forward", "echo", "-n", namespace]);
}

/** A Forward of the origin's has its Service, which follows it, is made anew after an earlier one of its name, and goes with it. */
export async function forwardHasItsService(stage: PolicyStage): Promise<void> {
  const { namespace, host, origin } = stage;
  const { kubectl } = origin.cluster;
  const apply = (port: number) =>
    kubectl(["apply", "-f", "-"], forwardTo(stage, "onward", { peer: host.name, target: "metrics" }, port));
  const isServed = (port: number) => hasService(stage, origin.cluster, "onward", namespace, port);
  await apply(8_081);
  await isServed(8_081);
  await apply(8_082);
  await isServed(8_082);
  await kubectl(["delete", "forward", "onward", "-n", namespace, "--cascade=orphan"]);
  await apply(8_083);
  await isServed(8_083);
  await kubectl(["delete", "forward", "onward", "-n", namespace]);
}

/** What somebody writes at the origin's console is a Forward until they delete it. */
export async function forwardIsWritten({ namespace, host, origin }: PolicyStage): Promise<void> {
  const words = ["written", host.name, "metrics", "8084", "-n", namespace];
  await origin.cli(["forward", "create", ...words, "--dry-run"]);
  await origin.cli(["forward", "create", ...words]);
  await origin.cli(["forward", "delete", "written", "-n", namespace]);
}

/** What the origin offers has a Service at the host, which follows it, leads to the next agent, and goes with it. */
export async function offerHasItsService(stage: PolicyStage): Promise<void> {
  const { namespace, host, origin, there, seconds } = stage;
  const { kubectl } = origin.cluster;
  const spec = { peer: host.name, direction: "Reverse", target: "service/offered" };
  const apply = (port: number) => kubectl(["apply", "-f", "-"], forwardTo(stage, "offered", spec, port));
  const isServed = (port: number) => hasService(stage, host.cluster, "offered", there, port);
  await apply(8_081);
  await isServed(8_081);
  await apply(8_082);
  await isServed(8_082);
  await kubectl(["delete", "forward", "offered", "-n", namespace]);
  const isGone = async (): Promise<boolean> => {
    const left = await host.cluster.kubectl(["get", "services,endpointslices", "-n", there, "-o", "name"]);
    return !left.includes("offered");
  };
  await until("nothing of the offer is left", isGone, { seconds });
}

function forwardTo({ namespace }: PolicyStage, name: string, spec: object, port: number): string {
  const ports = [{ name: "http", port }];
  const metadata = { name, namespace };
  return JSON.stringify({ apiVersion: "fairlead.dev/v1alpha1", kind: "Forward", metadata, spec: { ...spec, ports } });
}

interface Served {
  metadata: { generation: number };
  status?: { phase?: string; observedGeneration?: number; message?: string };
}

/** The Forward is Ready, and so are both objects that are made for it, at this port. */
async function hasService(
  { namespace, origin, seconds }: PolicyStage,
  cluster: Cluster,
  name: string,
  where: string,
  port: number,
): Promise<void> {
  let seen: Served["status"];
  const isSo = async (): Promise<boolean> => {
    const { metadata, status } = await origin.cluster.get<Served>(["forward", name, "-n", namespace]);
    seen = status;
    if (status?.phase !== "Ready" || status.observedGeneration !== metadata.generation) return false;
    const service = await cluster.get<{ spec: { ports: { port: number }[] } }>(["service", name, "-n", where]);
    const slice = await cluster.get<{ endpoints: unknown[] | null }>([
      "endpointslice",
      `${name}-fairlead`,
      "-n",
      where,
    ]);
    return service.spec.ports[0]?.port === port && slice.endpoints?.length === 1;
  };
  await until(`${name} is served at port ${port}`, isSo, { seconds, seen: () => seen });
}
