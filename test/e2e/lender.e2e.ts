/**
 * What the guard promises on a real cluster: a host that the chart installed on cluster B, and two peers on embedded clusters
 * of their own. Admission says what may run; the cluster itself says no to whoever passes by the agent.
 */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { buildTown, type Town } from "../../src/demo/town.ts";
import { type Cluster, openCluster, refreshDefinitions } from "./clusters.ts";
import { run } from "./command.ts";
import { clean, type InstalledAgent, openAgent, releaseNamespace } from "./installed.ts";
import { until } from "./until.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const ours = /^(fairlead-chart|fairlead-peer-(ant|bee))$/;

type Status = NonNullable<NonNullable<Awaited<ReturnType<Town["client"]["apps"]["getApp"]>>["app"]>["status"]>;

let b: Cluster;
let host: InstalledAgent;
let directory: string;
let ant: Town;
let bee: Town;

before(
  async () => {
    b = openCluster("b");
    await clean(b, ours);
    await refreshDefinitions(b);
    directory = await mkdtemp(join(tmpdir(), "fairlead-guard-"));
    host = await openAgent(b, "lender");
    const town = (name: string): Promise<Town> =>
      buildTown(
        {
          name,
          directory,
          firstPort: 0,
          version: "0.0.1",
          log: silentLog,
          processes: false,
          settings: { "link.url": "" },
        },
        AbortSignal.timeout(60_000),
      );
    [ant, bee] = await Promise.all([town("ant"), town("bee"), host.install()]);
    await b.kubectl(["delete", "peerpolicies", "--all", "-n", releaseNamespace]);
    for (const peer of [ant, bee]) {
      const line = (await host.cli(["invite", "--name", peer.name, "--grant", "apps"])).trim();
      for await (const _step of peer.client.peers.join({ invite: line, name: "lender" }, { signal: soon() }));
    }
  },
  { timeout: 240_000 },
);

after(
  async () => {
    await Promise.all([ant, bee].filter(Boolean).map((peer) => peer.close()));
    if (b) await clean(b, ours);
    if (directory) await rm(directory, { recursive: true, force: true });
  },
  { timeout: 180_000 },
);

const soon = (): AbortSignal => AbortSignal.timeout(60_000);
const home = (peer: Town): string => `fairlead-peer-${peer.name}`;

async function deploy(peer: Town, name: string, spec: Record<string, unknown> = {}): Promise<void> {
  const ref = { namespace: "default", name };
  const resources = { limits: quantities({ cpu: "100m", memory: "64Mi" }), requests: quantities({}) };
  const all = { peer: "lender", image, ports: [{ containerPort: 8080 }], resources, ...spec };
  await peer.client.apps.deployApp({ ref, spec: all }, { signal: soon() });
}

function quantities(texts: Record<string, string>) {
  const entries = Object.entries(texts).map(([name, value]) => [
    name,
    { kind: { case: "stringValue" as const, value } },
  ]);
  return Object.fromEntries(entries);
}

function reaches(
  peer: Town,
  name: string,
  what: string,
  is: (status: Status) => boolean,
  seconds = 60,
): Promise<Status> {
  let last: Status | undefined;
  return until(
    `${peer.name}'s ${name} ${what}`,
    async () => {
      const { app } = await peer.client.apps.getApp({ ref: { namespace: "default", name } }, { signal: soon() });
      last = app?.status;
      return last && is(last) && last;
    },
    { seconds, seen: () => last && { phase: last.phase, reason: last.reason, message: last.message } },
  );
}

const phase = (peer: Town, name: string, wanted: string): Promise<Status> =>
  reaches(peer, name, `is ${wanted}`, (status) => status.phase === wanted, 90);
const rulesOf = (status: Status): string[] => status.admission?.findings.map(({ rule }) => rule ?? "") ?? [];

async function policy(name: string, spec: object): Promise<void> {
  const metadata = { name, namespace: releaseNamespace };
  const manifest = { apiVersion: "fairlead.dev/v1alpha1", kind: "PeerPolicy", metadata, spec };
  await b.kubectl(["apply", "-f", "-"], JSON.stringify(manifest));
}

const everybody = {
  workloads: {
    accept: true,
    images: [image.replace(/:[^:/]*$/, "")],
    quota: { pods: 3, "limits.cpu": "1", "limits.memory": "1Gi" },
    maxReplicas: 2,
    pod: { max: { cpu: "500m", memory: "256Mi" }, requireLimits: ["cpu", "memory"] },
  },
};

test("without a policy nothing runs, and the origin is told by which rule", { timeout: 120_000 }, async () => {
  await deploy(ant, "echo");
  const status = await phase(ant, "echo", "Denied");
  assert.deepEqual(rulesOf(status), ["policy/accept"]);
  const left = await b.kubectl([
    "get",
    "deployments,pods",
    "-A",
    "-l",
    "app.kubernetes.io/managed-by=fairlead",
    "-o",
    "name",
  ]);
  assert.doesNotMatch(left, /fairlead-peer/);
});

test("a policy that accepts lets it run without being asked again", { timeout: 120_000 }, async () => {
  await policy("everybody", everybody);
  await phase(ant, "echo", "Ready");
});

test("what is over a bound is denied with what was asked and what is allowed", { timeout: 120_000 }, async () => {
  await deploy(ant, "big", {
    replicas: 9,
    resources: { limits: quantities({ cpu: "2", memory: "64Mi" }), requests: {} },
  });
  const { admission } = await phase(ant, "big", "Denied");
  const said = new Map(admission?.findings.map(({ rule, asked, allowed }) => [rule, [asked, allowed]]));
  assert.deepEqual(said.get("replicas/max"), ["9", "2"]);
  assert.deepEqual(said.get("pod/max"), ["2", "500m"]);
});

test("the cluster refuses by itself what passes by the agent", { timeout: 120_000 }, async () => {
  const pod = (name: string, spec: object, resources: object = small): string =>
    JSON.stringify({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: home(ant) },
      spec: { automountServiceAccountToken: false, ...spec, containers: [{ name: "app", image, resources }] },
    });
  const small = { limits: { cpu: "10m", memory: "16Mi" } };
  const refused = async (manifest: string, why: RegExp): Promise<void> => {
    await assert.rejects(b.kubectl(["create", "-f", "-"], manifest), why);
  };
  await refused(pod("host", { hostNetwork: true }), /violates PodSecurity "baseline.*host namespaces/s);
  await refused(
    pod("large", {}, { limits: { cpu: "501m", memory: "16Mi" } }),
    /maximum cpu usage per Container is 500m/,
  );
  await refused(
    pod("hungry", {}, { limits: { cpu: "10m", memory: "257Mi" } }),
    /maximum memory usage per Container is 256Mi/,
  );
  await b.kubectl(["create", "-f", "-"], pod("one", {}, small));
  await b.kubectl(["create", "-f", "-"], pod("two", {}, small));
  await refused(pod("three", {}, small), /exceeded quota: fairlead/);
  await b.kubectl(["delete", "pods", "one", "two", "-n", home(ant), "--grace-period=0", "--force"]);
});

/** Whether a program in a pod of the peer's app connects. */
async function connects(from: Town, to: string): Promise<boolean> {
  const pods = await b.kubectl(["get", "pods", "-n", home(from), "-l", "fairlead.dev/workload", "-o", "name"]);
  const [pod = ""] = pods.trim().split("\n");
  const command = ["exec", "-n", home(from), pod, "--", "timeout", "4", "echo-server", "dial", "tcp", to];
  const { code, stderr } = await run(process.env.KUBECTL ?? "kubectl", command, {
    env: { KUBECONFIG: b.kubeconfig },
    input: "ahoy\n",
  });
  assert.doesNotMatch(stderr, /unable to upgrade|NotFound|error dialing backend/, "the attempt itself was made");
  return code === 0;
}

const podIp = async (peer: Town): Promise<string> =>
  b.kubectl([
    "get",
    "pods",
    "-n",
    home(peer),
    "-l",
    "fairlead.dev/workload",
    "-o",
    "jsonpath={.items[0].status.podIP}",
  ]);

test("a tenant reaches DNS and its own app, and neither the API server, node metadata nor another tenant", {
  timeout: 180_000,
}, async () => {
  await deploy(bee, "echo");
  await phase(bee, "echo", "Ready");
  const own = `${await podIp(ant)}:9000`;
  await until("its own app is reached", () => connects(ant, own), { seconds: 30 });
  const dns = await b.kubectl(["get", "service", "-n", "kube-system", "kube-dns", "-o", "jsonpath={.spec.clusterIP}"]);
  assert.equal(await connects(ant, `${dns}:53`), true, "DNS");
  const api = await b.kubectl(["get", "service", "-n", "default", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"]);
  assert.equal(await connects(ant, `${api}:443`), false, "the API server's Service");
  const [, server = ""] = /server: https:\/\/(\S+)/.exec(await b.kubectl(["config", "view", "--minify"])) ?? [];
  assert.equal(await connects(ant, server), false, "the API server");
  assert.equal(await connects(ant, "169.254.169.254:80"), false, "node metadata");
  assert.equal(await connects(ant, `${await podIp(bee)}:9000`), false, "another tenant");
  assert.equal(await connects(bee, own), false, "and the other way round");
});

test("two tenants with apps of one name see each their own", { timeout: 60_000 }, async () => {
  const names = await Promise.all(
    [ant, bee].map(async (peer) => {
      const url = `${peer.consoleUrl}/apps/default/echo/8080/env`;
      const answer = await fetch(url, { headers: { authorization: `Bearer ${peer.token}` }, signal: soon() });
      const [own] = (
        await b.kubectl(["get", "pods", "-n", home(peer), "-o", "jsonpath={.items[*].metadata.name}"])
      ).split(" ");
      assert.ok((await answer.text()).includes(own ?? "?"), `${peer.name} sees a pod of its own`);
      return own;
    }),
  );
  assert.notEqual(names[0], names[1]);
});

test("a Pod Security level that is weakened is back at once", { timeout: 60_000 }, async () => {
  await b.kubectl(["label", "namespace", home(ant), "pod-security.kubernetes.io/enforce=privileged", "--overwrite"]);
  await until(
    "the namespace has its level again",
    async () => {
      const { metadata } = await b.get<{ metadata: { labels: Record<string, string> } }>(["namespace", home(ant)]);
      return metadata.labels["pod-security.kubernetes.io/enforce"] === "baseline";
    },
    { seconds: 20 },
  );
});

test("tenant objects that are changed or deleted come back as the policy has them", { timeout: 120_000 }, async () => {
  const namespace = ["-n", home(ant)];
  await b.kubectl(["delete", "resourcequota,limitrange", "fairlead", ...namespace]);
  await b.kubectl(["delete", "networkpolicies", "--all", ...namespace]);
  await until("they are back", async () => {
    const { items } = await b.get<{ items: { kind: string; spec: { hard?: Record<string, string> } }[] }>([
      "resourcequotas,limitranges,networkpolicies",
      ...namespace,
    ]);
    const quota = items.find(({ kind }) => kind === "ResourceQuota");
    return (
      quota?.spec.hard?.pods === "3" &&
      items.filter(({ kind }) => kind === "NetworkPolicy").length >= 2 &&
      items.length >= 4
    );
  });
  await b.kubectl([
    "patch",
    "resourcequota",
    "fairlead",
    ...namespace,
    "--type=merge",
    "-p",
    '{"spec":{"hard":{"pods":"99"}}}',
  ]);
  const open = { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", spec: { podSelector: {}, ingress: [{}] } };
  await b.kubectl([
    "patch",
    "networkpolicy",
    "fairlead",
    ...namespace,
    "--type=merge",
    "-p",
    JSON.stringify({ spec: open.spec }),
  ]);
  await until("what was altered is as it was", async () => {
    const quota = await b.get<{ spec: { hard: Record<string, string> } }>(["resourcequota", "fairlead", ...namespace]);
    const network = await b.get<{ spec: { ingress?: { from?: unknown }[] } }>([
      "networkpolicy",
      "fairlead",
      ...namespace,
    ]);
    const isOpen = network.spec.ingress?.some(({ from }) => from === undefined) ?? false;
    return quota.spec.hard.pods === "3" && !isOpen;
  });
});

async function inbox(name: string): Promise<{ name: string; hash: string; since: string }> {
  return until(`${name} is in the inbox`, async () => {
    const { items } = JSON.parse(await host.cli(["inbox", "list", "-o", "json"]));
    return items.find((item: { subject: string }) => item.subject === `default/${name}`);
  });
}

test("an app waits for a person, who approves or denies it; one that is edited waits anew; an approval ends", {
  timeout: 240_000,
}, async () => {
  await policy("bee", { peers: { names: ["bee"] }, workloads: { approval: "Always" } });
  const explained = await host.cli(["policy", "explain", "bee"]);
  assert.match(explained, /workloads\.approval\s+Always\s+bee/);
  assert.match(explained, /workloads\.maxReplicas\s+2\s+everybody/);

  await deploy(bee, "held");
  const held = await phase(bee, "held", "Held");
  assert.deepEqual(rulesOf(held), ["approval/always"]);
  assert.ok(Date.parse(held.admission?.decidedAt ?? "") > 0, "since when");
  const first = await inbox("held");
  await deploy(bee, "held", { env: [{ name: "EDITED", value: "yes" }] });
  const second = await until("the edit is held anew", async () => {
    const item = await inbox("held");
    return item.hash !== first.hash && item;
  });
  const late = await host.tryCli(["inbox", "approve", first.name, "--hash", first.hash, "-m", "seen", "-y"]);
  assert.notEqual(late.code, 0, "what was seen is not what is there");
  await host.cli(["inbox", "approve", second.name, "--hash", second.hash, "-m", "looks right", "--for", "20s", "-y"]);
  const ready = await phase(bee, "held", "Ready");
  assert.equal(ready.admission?.message, "looks right");
  assert.ok(ready.admission?.until, "until when is told to the origin too");
  await phase(bee, "held", "Held");
  await until("nothing of it runs after the approval has ended", async () => {
    const pods = await b.kubectl([
      "get",
      "pods",
      "-n",
      home(bee),
      "-l",
      `fairlead.dev/workload=${second.name.split("/")[1]}`,
      "-o",
      "name",
    ]);
    return pods.trim() === "";
  });

  await deploy(bee, "unwelcome");
  const third = await inbox("unwelcome");
  await host.cli(["inbox", "deny", third.name, "-m", "ask Ada first"]);
  const denied = await phase(bee, "unwelcome", "Denied");
  assert.match(denied.message ?? "", /ask Ada first/);
});

test("a policy that is tightened under a running app marks it, or stops it when it says so", {
  timeout: 180_000,
}, async () => {
  const other = { ...everybody.workloads, images: ["docker.io/library/nginx"] };
  await policy("everybody", { workloads: other });
  const marked = await reaches(ant, "echo", "is marked", (status) => rulesOf(status).includes("images/not-allowed"));
  assert.equal(marked.phase, "Ready", "it runs on");
  await policy("everybody", { workloads: { ...other, whenViolated: "Stop" } });
  await phase(ant, "echo", "Denied");
  await until("it is stopped", async () => {
    const pods = await b.kubectl(["get", "pods", "-n", home(ant), "-o", "name"]);
    return pods.trim() === "";
  });
  await policy("everybody", everybody);
  await phase(ant, "echo", "Ready");
});

test("a grant that ends, ends what it allowed, and both sides know until when", { timeout: 120_000 }, async () => {
  await host.cli(["peer", "grant", "ant", "apps", "--for", "8h"]);
  await until("ant knows until when", async () => {
    const { peer } = await ant.client.peers.getPeer({ name: "lender" }, { signal: soon() });
    return peer?.status?.grantsHeld.some(
      ({ name, until: end }) => name === "apps" && Date.parse(end ?? "") > Date.now(),
    );
  });
  await host.cli(["peer", "grant", "ant", "apps", "--for", "3s"]);
  await until("ant has it no more", async () => {
    const { peer } = await ant.client.peers.getPeer({ name: "lender" }, { signal: soon() });
    return peer?.status?.grantsHeld.length === 0;
  });
  await host.cli(["peer", "grant", "ant", "apps"]);
  await phase(ant, "echo", "Ready");
});

test("the audit has it all, survives the agent and is whole", { timeout: 120_000 }, async () => {
  const list = async (...args: string[]): Promise<{ action: string; peer: string; rule: string }[]> =>
    JSON.parse(await host.cli(["audit", "list", "-o", "json", ...args])).items;
  const denied = await list("--peer", "ant", "--verdict", "denied");
  assert.ok(denied.some(({ rule }) => rule === "policy/accept"));
  await host.killPod();
  const kept = await until("the agent is back", () => list("--peer", "ant", "--verdict", "denied"));
  assert.ok(
    kept.some(({ rule }) => rule === "policy/accept"),
    "what was decided before the agent died",
  );
  assert.match(await host.cli(["audit", "verify"]), /intact/i);
});
