/** What kubelets tell, read from the other cluster with agents that the chart installed: by a person, by pods, and by no right but what docs/rbac.md says. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { type Cluster, openCluster, refreshDefinitions } from "./clusters.ts";
import { mustRun } from "./command.ts";
import { startForward } from "./forwards.ts";
import { clean, connected, type InstalledAgent, openAgent, releaseNamespace } from "./installed.ts";
import { until } from "./until.ts";
import { rightsOf, usedRights } from "./used-rights.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const namespace = `nodes-${randomBytes(3).toString("hex")}`;
const ours = /^(nodes-[0-9a-f]{6}|fairlead-chart|fairlead-peer-nodes-[ab])$/;
const startedAt = new Date();

let a: Cluster;
let b: Cluster;
let origin: InstalledAgent;
let host: InstalledAgent;
/** Of cluster B. */
let node: string;
before(
  async () => {
    a = openCluster("a");
    b = openCluster("b");
    await Promise.all([clean(a, ours), clean(b, ours)]);
    await Promise.all([refreshDefinitions(a), refreshDefinitions(b)]);
    [origin, host] = await Promise.all([openAgent(a, "nodes-a"), openAgent(b, "nodes-b")]);
    await a.kubectl(["create", "namespace", namespace]);
    const { items } = await b.get<{ items: { metadata: { name: string } }[] }>(["nodes"]);
    node = items[0]?.metadata.name ?? "";
    const pod = { name: "asker", image };
    const asker = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "asker", namespace },
      spec: { containers: [pod], terminationGracePeriodSeconds: 0 },
    };
    await a.kubectl(["apply", "-f", "-"], JSON.stringify(asker));
    await Promise.all([
      origin.install({ "forwards.namespaces[0]": namespace }),
      host.install({ "policies[0].spec.tunnels.nodes[0].names[0]": node }),
    ]);
    const invite = (await host.cli(["invite", "--grant", "tunnels"])).trim();
    await origin.cli(["join", "-"], invite);
    await connected(origin, host);
    await a.kubectl(["-n", namespace, "wait", "--for=condition=Ready", "pod/asker", "--timeout=50s"]);
  },
  { timeout: 300_000 },
);

after(() => Promise.all([a, b].filter(Boolean).map((cluster) => clean(cluster, ours))), { timeout: 180_000 });

/** Begins a forward and gives a way to ask there. */
async function withNode(
  name: string,
  use: (
    ask: (path: string, method?: string) => Promise<{ status: number; text: string }>,
    told: () => string,
  ) => Promise<void>,
): Promise<void> {
  const forward = await startForward(origin, host.name, [`node/${name}`]);
  try {
    const ask = async (path: string, method = "GET") => {
      const url = `http://127.0.0.1:${forward.ports[0]}${path}`;
      const answer = await fetch(url, { method, headers: { connection: "close" } });
      return { status: answer.status, text: await answer.text() };
    };
    await use(ask, () => forward.told());
  } finally {
    await forward.end();
  }
}

test("a node is read: its metrics, statistics and health, and nothing else of its kubelet", {
  timeout: 120_000,
}, async () => {
  await withNode(node, async (ask) => {
    for (const [path, says] of [
      ["/metrics", /^kubelet_node_name\{node="/m],
      ["/metrics/cadvisor", /^container_cpu_usage_seconds_total\{/m],
      ["/metrics/resource", /^node_memory_working_set_bytes /m],
      ["/metrics/probes", /^/],
      ["/stats/summary", new RegExp(`"nodeName": ?"${node}"`)],
      ["/healthz", /^ok$/],
    ] as const) {
      const { status, text } = await ask(path);
      assert.equal(status, 200, `${path}: ${text.slice(0, 300)}`);
      assert.match(text, says);
    }
    for (const path of ["/pods", "/logs/", "/exec/kube-system/x/x?command=id&output=1", "/configz"]) {
      assert.equal((await ask(path)).status, 404, path);
    }
    assert.equal((await ask("/metrics", "POST")).status, 405);
  });
});

test("another node than the policy names is refused with the rule", { timeout: 120_000 }, async () => {
  await withNode("elsewhere", async (ask, told) => {
    await assert.rejects(ask("/metrics"));
    await until("the rule is told", async () => /rule: tunnels\/nodes/.test(told()), { seen: told });
  });
});

test("what there is, is told: the node that the policy opens", { timeout: 120_000 }, async () => {
  let shown = "";
  const isTold = async (): Promise<boolean> => {
    shown = await origin.cli(["target", "list", host.name]);
    return new RegExp(`^node/${node} .*Ready`, "m").test(shown);
  };
  await until("the node is told", isTold, { seen: () => shown });
});

test("a pod reads it by DNS, where a Forward leads there", { timeout: 180_000 }, async () => {
  const spec = { peer: host.name, target: `node/${node}`, ports: [{ name: "http", port: 80 }] };
  const forward = { apiVersion: "fairlead.dev/v1alpha1", kind: "Forward", metadata: { name: "far", namespace }, spec };
  await a.kubectl(["apply", "-f", "-"], JSON.stringify(forward));
  let seen = "";
  const isRead = async (): Promise<boolean> => {
    const command = ["timeout", "10", "wget", "-q", "-O", "-", "http://far/metrics/resource"];
    seen = await a.kubectl(["exec", "-n", namespace, "asker", "--", ...command]).catch(String);
    return /^node_memory_working_set_bytes /m.test(seen);
  };
  await until("a pod reads it", isRead, { seconds: 90, seen: () => seen.slice(0, 500) });
});

const agentRoles = [
  ["clusterrole", "fairlead-agent-nodes"],
  ["role", "fairlead-agent-nodes", "-n", releaseNamespace],
];

test("each right that the chart gives the agent for it was used", { timeout: 60_000 }, async (t) => {
  const given = await rightsOf(b, agentRoles);
  assert.deepEqual(given, ["/nodes get", "/nodes list", "/serviceaccounts/token create"]);
  const account = await rightsOf(b, [["clusterrole", "fairlead-nodes"]]);
  assert.deepEqual(account, ["/nodes/healthz get", "/nodes/metrics get", "/nodes/stats get"]);
  const used = await usedRights(startedAt);
  if (!used) return t.diagnostic("AUDIT_LOG_A and AUDIT_LOG_B are not set; this is left out");
  assert.deepEqual(
    given.filter((right) => !used.has(right)),
    [],
  );
});

test("without them each is named when it is missed, and the commands of docs/rbac.md give them", {
  timeout: 240_000,
}, async () => {
  for (const [kind, more] of [
    ["clusterrole,clusterrolebinding", []],
    ["role,rolebinding,serviceaccount", ["-n", releaseNamespace]],
  ] as const) {
    await b.kubectl(["delete", kind, "--ignore-not-found", "fairlead-nodes", "fairlead-agent-nodes", ...more]);
  }
  // So that it has no token any more.
  await host.killPod();
  await connected(origin, host);
  await withNode(node, async (ask, told) => {
    const isMissed = async (): Promise<boolean> => {
      await ask("/healthz").catch(() => undefined);
      return /lacks the right to get nodes/.test(told());
    };
    await until("the right to get nodes is missed", isMissed, { seen: told });
    const commands = await documented();
    assert.equal(commands.length, 7);
    let seen = "";
    for (const command of commands) {
      if (command.includes("create role ")) {
        const noToken = async (): Promise<boolean> => {
          seen = (await ask("/healthz")).text;
          return /gets no token for kubelets/.test(seen);
        };
        await until("the right to a token is missed", noToken, { seen: () => seen });
      }
      await mustRun(process.env.KUBECTL ?? "kubectl", ["--kubeconfig", b.kubeconfig, ...command.split(" ").slice(1)]);
    }
    const isRead = async (): Promise<boolean> => {
      seen = (await ask("/healthz")).text;
      return seen === "ok";
    };
    await until("it is read again", isRead, { seconds: 90, seen: () => seen });
  });
});

/** As they stand there, for this release. */
async function documented(): Promise<string[]> {
  const page = await readFile(new URL("../../docs/rbac.md", import.meta.url), "utf8");
  const part = page.split(/^## /m).find((text) => text.startsWith("Where peers read kubelets")) ?? "";
  const [, block = ""] = /```sh\n([\s\S]*?)```/.exec(part) ?? [];
  return block.trim().replaceAll("fairlead-system", releaseNamespace).split("\n");
}
