/** What an agent does with the rights that policies and the audit need, for rights-scenario.ts. */

import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { Cluster } from "./clusters.ts";
import { startForward } from "./forwards.ts";
import { meddleWithGuards } from "./guard-steps.ts";
import type { InstalledAgent } from "./installed.ts";
import { until } from "./until.ts";

/** Of networks for documentation (RFC 5737): nobody is there. */
const block = "203.0.113.0/24";
/** Often enough that a list does not come at the right moment each time. */
const rounds = 2;

export interface PolicyStage {
  /** Of the host's agent, where its policy `all` is. */
  readonly namespace: string;
  readonly host: InstalledAgent;
  readonly origin: InstalledAgent;
  /** The origin's namespace at the host. */
  readonly there: string;
  readonly seconds: number;
  /** In which a watch brings what has changed, with the second included for which a repair may have to wait. */
  readonly newsSeconds: number;
}

interface Policy {
  metadata: { generation: number };
  status?: { peers?: string[]; observedGeneration?: number };
}

/** The policy's status names the origin. */
export async function policyIsTold({ namespace, host, origin, seconds }: PolicyStage): Promise<void> {
  const look = async (): Promise<boolean> => {
    const { status, metadata } = await host.cluster.get<Policy>(["peerpolicy", "all", "-n", namespace]);
    return status?.observedGeneration === metadata.generation && (status.peers ?? []).includes(origin.name);
  };
  await until("the policy's status names the peer", look, { seconds });
}

/** The ConfigMaps have what happened before and what has just happened. */
export async function auditIsStored({ namespace, host, seconds }: PolicyStage): Promise<void> {
  for (const action of ["agent.start", "peer.update"]) {
    const look = async (): Promise<boolean> => {
      const { binaryData } = await host.cluster.get<{ binaryData: Record<string, string> }>([
        "configmap",
        "fairlead-audit-00",
        "-n",
        namespace,
      ]);
      const [entries = ""] = Object.values(binaryData);
      return gunzipSync(Buffer.from(entries, "base64")).includes(`"${action}"`);
    };
    await until(`${action} is stored`, look, { seconds });
  }
}

/** One of the host's that the policy opens, which leads to what the host's agent tells of itself. */
export async function serviceIsReached({ namespace, host, origin, seconds }: PolicyStage): Promise<void> {
  const spec = { selector: { "app.kubernetes.io/name": "fairlead" }, ports: [{ port: 80, targetPort: 8002 }] };
  const service = { apiVersion: "v1", kind: "Service", metadata: { name: "reached", namespace }, spec };
  await host.cluster.kubectl(["apply", "-f", "-"], JSON.stringify(service));
  const forward = await startForward(origin, host.name, [`service/${namespace}/reached:80`]);
  try {
    const url = `http://127.0.0.1:${forward.ports[0]}/livez`;
    const answers = async () => (await fetch(url, { headers: { connection: "close" } })).status === 200;
    await until("it answers", answers, { seconds, seen: forward.told });
  } finally {
    await forward.end();
  }
}

/** What the kubelet of a node of the host's tells, which the policy opens: by each of the rights that there are for it. */
export async function nodeIsRead({ host, origin, seconds }: PolicyStage): Promise<void> {
  const { items } = await host.cluster.get<{ items: { metadata: { name: string } }[] }>(["nodes"]);
  const forward = await startForward(origin, host.name, [`node/${items[0]?.metadata.name}`]);
  try {
    for (const path of ["/metrics", "/stats/summary", "/healthz"]) {
      let said = "";
      const answers = async () => {
        const answer = await fetch(`http://127.0.0.1:${forward.ports[0]}${path}`, { headers: { connection: "close" } });
        said = (await answer.text()).slice(0, 300);
        return answer.status === 200;
      };
      await until(`${path} is told`, answers, { seconds, seen: () => said + forward.told() });
    }
  } finally {
    await forward.end();
  }
}

/** After a restart the host knows what happened before it. */
export async function auditWasKept({ host }: PolicyStage): Promise<void> {
  const { items } = JSON.parse(await host.cli(["audit", "list", "-o", "json"]));
  const actions: string[] = items.map(({ action }: { action: string }) => action);
  assert.ok(actions.filter((action) => action === "agent.start").length > 1, "both starts are in the audit");
  assert.ok(actions.includes("peer.update"), "the grant before the restart is in the audit");
  assert.match(await host.cli(["audit", "verify"]), /intact/i);
}

/** What the policy has made is put back at once, whoever had a hand in it. */
export async function guardsArePutBack(stage: PolicyStage): Promise<void> {
  const { namespace, host, there, newsSeconds: seconds } = stage;
  const { kubectl, get } = host.cluster;
  for (let round = 0; round < rounds; round += 1) {
    await meddleWithGuards(host.cluster, there, { namespace, name: "all" }, seconds);
    const { items } = await get<{ items: { metadata: { name: string } }[] }>(["networkpolicies", "-n", there]);
    const ofApp = items.map(({ metadata }) => metadata.name).find((name) => name.startsWith("echo")) ?? "none of echo";
    await kubectl(["delete", "networkpolicy", ofApp, "-n", there]);
    const isBack = async () => (await kubectl(["get", "networkpolicy", ofApp, "-n", there])) !== "";
    await until("the app's own NetworkPolicy is back", isBack, { seconds });
  }
}

/** Addresses that the policy gives are opened, and those of the API server taken out of them, also new ones. */
export async function egressSparesTheApiServer(stage: PolicyStage): Promise<void> {
  const { namespace, host, there, seconds, newsSeconds } = stage;
  const { cluster } = host;
  await giveEgress(cluster, namespace, [{ cidr: block }]);
  const opens = async (text: string): Promise<boolean> =>
    (await cluster.kubectl(["get", "networkpolicy", "fairlead", "-n", there, "-o", "json"])).includes(text);
  await until("the addresses of the policy are opened", () => opens(block), { seconds });
  for (let round = 0; round < rounds; round += 1) {
    const address = `203.0.113.${round + 7}`;
    // The API server takes it out again within seconds; as it is not ready, nobody is sent there meanwhile.
    const endpoint = { addresses: [address], conditions: { ready: false } };
    const change = JSON.stringify([{ op: "add", path: "/endpoints/-", value: endpoint }]);
    await cluster.kubectl(["patch", "endpointslice", "kubernetes", "-n", "default", "--type=json", "-p", change]);
    const isOut = () => opens(`${address}/32`);
    await until("a new address of the API server is taken out of them", isOut, { seconds: newsSeconds });
  }
  await giveEgress(cluster, namespace, null);
  await until("they are shut again", async () => !(await opens(block)), { seconds });
}

async function giveEgress(cluster: Cluster, namespace: string, egress: object[] | null): Promise<void> {
  const change = JSON.stringify({ spec: { workloads: { network: egress && { egress } } } });
  await cluster.kubectl(["patch", "peerpolicy", "all", "-n", namespace, "--type=merge", "-p", change]);
}
