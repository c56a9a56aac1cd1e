/**
 * kubectl at a peer beside kubectl at its API server: `node bench/pods.ts [pods] [rounds]`, 1,000 and 10 unless said. It takes the real clusters that
 * KUBECONFIG_A and KUBECONFIG_B name, with an agent beside each: the one at A reaches B. The pods are in a namespace of their own at B, are held
 * before the scheduler sees them, and go with it. A list is measured as kubectl does it, its own start included, and as one request on a connection that stands.
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, get, type RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type AgentProcess, startAgent } from "../test/e2e/agent.ts";
import { applyDefinitions, type Cluster, openCluster } from "../test/e2e/clusters.ts";
import { freePort } from "../test/e2e/free-port.ts";
import { percentile } from "./load/contender.ts";

const count = Number(process.argv[2] ?? 1_000);
const rounds = Number(process.argv[3] ?? 10);
const namespace = `fairlead-bench-pods-${process.pid}`;
const agents = `fairlead-bench-agent-${process.pid}`;
const path = `/api/v1/namespaces/${namespace}/pods?limit=${count}`;
/** What kubectl asks for when it prints a table. */
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const binary = process.env.KUBECTL ?? "kubectl";

const policy = {
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "PeerPolicy",
  metadata: { name: "bench", namespace: agents },
  spec: { tunnels: { kubernetes: true } },
};

const [a, b] = [openCluster("a"), openCluster("b")];
const folder = mkdtempSync(join(tmpdir(), "fairlead-bench-"));
const ends: (() => Promise<unknown> | void)[] = [() => rmSync(folder, { recursive: true })];
try {
  await run();
} finally {
  for (const end of ends.reverse()) await end();
}

async function run(): Promise<void> {
  for (const cluster of [a, b]) {
    await cluster.kubectl(["create", "namespace", agents]);
    ends.push(() => cluster.kubectl(["delete", "namespace", agents, "--wait=false"]));
    await applyDefinitions(cluster);
  }
  await createPods();
  const [origin, host] = [await agentAt(a), await agentAt(b)];
  await b.kubectl(["apply", "-f", "-"], JSON.stringify(policy));
  await origin.cli(["join", "-"], (await host.cli(["invite", "--grant", "kubectl"])).trim());
  const kubeconfig = join(folder, "peer");
  const door = origin.consoleUrl.replace(/^http:/, "https:");
  await origin.cli(["kubeconfig", host.name, "--door", door, "--with-token", "1h", "--file", kubeconfig]);

  const ways = { direct: await wayBy(b.kubeconfig), "through a peer": await wayBy(kubeconfig) };
  const times = Object.values(ways).map(() => ({ kubectl: [] as number[], request: [] as number[] }));
  // The first round only warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [index, way] of Object.values(ways).entries()) {
      const [byKubectl, byRequest] = [await timed(way.kubectl), await timed(way.request)];
      if (round > 0) {
        times[index]?.kubectl.push(byKubectl);
        times[index]?.request.push(byRequest);
      }
    }
  }
  const [direct, tunnel] = times.map(({ kubectl, request }) => [percentile(kubectl, 0.5), percentile(request, 0.5)]);
  console.log(`| list of ${count} pods, p50, ms | ${Object.keys(ways).join(" | ")} | ratio |\n|---|---|---|---|`);
  for (const [index, what] of ["kubectl get pods", "one request"].entries()) {
    const [near, far] = [direct?.[index] ?? Number.NaN, tunnel?.[index] ?? Number.NaN];
    console.log(`| ${what} | ${near.toFixed(0)} | ${far.toFixed(0)} | ${(far / near).toFixed(2)} |`);
  }
}

async function agentAt(cluster: Cluster): Promise<AgentProcess> {
  const ports = { console: await freePort(), link: await freePort(), telemetry: await freePort() };
  const agent = await startAgent(cluster, ports, { name: `bench-${cluster.name}`, namespace: agents });
  ends.push(() => agent.stop());
  return agent;
}

/** A pod that is gated is a name in the store, and nobody runs it. */
async function createPods(): Promise<void> {
  await b.kubectl(["create", "namespace", namespace]);
  ends.push(() => b.kubectl(["delete", "namespace", namespace, "--wait=false"]));
  const spec = {
    schedulingGates: [{ name: "fairlead.dev/bench" }],
    containers: [{ name: "app", image: "registry.example/app:1", env: [{ name: "WHY", value: "to be listed" }] }],
  };
  const items = Array.from({ length: count }, (_, i) => {
    const metadata = { name: `pod-${String(i).padStart(5, "0")}`, namespace, labels: { app: `app-${i % 20}` } };
    return { apiVersion: "v1", kind: "Pod", metadata, spec };
  });
  await b.kubectl(["create", "-f", "-", "-o", "name"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  const binding = ["rolebinding", "readers", "--clusterrole=view", "--group=fairlead:peers", "-n", namespace];
  await b.kubectl(["create", ...binding]);
}

interface Way {
  kubectl(): Promise<void>;
  request(): Promise<void>;
}

async function wayBy(kubeconfig: string): Promise<Way> {
  const view = await promisify(execFile)(binary, [
    "config",
    "view",
    "--raw",
    "--minify",
    "-o",
    "json",
    "--kubeconfig",
    kubeconfig,
  ]);
  const config = JSON.parse(view.stdout) as {
    clusters: { cluster: { server: string; "certificate-authority-data"?: string; "tls-server-name"?: string } }[];
    users: { user: { token?: string; "client-certificate-data"?: string; "client-key-data"?: string } }[];
  };
  const { cluster } = config.clusters[0] ?? {};
  const { user } = config.users[0] ?? {};
  if (!cluster || !user) throw new Error(`${kubeconfig} has no cluster or no user.`);
  const decoded = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text, "base64"));
  const agent = new Agent({
    keepAlive: true,
    ca: decoded(cluster["certificate-authority-data"]),
    cert: decoded(user["client-certificate-data"]),
    key: decoded(user["client-key-data"]),
    ...(cluster["tls-server-name"] !== undefined && { servername: cluster["tls-server-name"] }),
  });
  ends.push(() => agent.destroy());
  const headers = { accept: asTable, ...(user.token !== undefined && { authorization: `Bearer ${user.token}` }) };
  return {
    async kubectl() {
      const args = [
        "--kubeconfig",
        kubeconfig,
        "-n",
        namespace,
        "get",
        "pods",
        "--no-headers",
        "--chunk-size",
        String(count),
      ];
      const { stdout } = await promisify(execFile)(binary, args, { maxBuffer: 64 * 1024 * 1024 });
      const lines = stdout.trimEnd().split("\n").length;
      if (lines !== count) throw new Error(`kubectl has listed ${lines} pods.`);
    },
    request: () => ask(cluster.server + path, { agent, headers }),
  };
}

async function ask(url: string, options: RequestOptions): Promise<void> {
  const [answer] = await once(get(url, options), "response");
  let bytes = 0;
  for await (const piece of answer) bytes += piece.length;
  if (answer.statusCode !== 200 || bytes < count * 100) throw new Error(`${url} answered ${answer.statusCode}.`);
}

async function timed(act: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await act();
  return performance.now() - startedAt;
}
