/**
 * What a real cluster holds a peer to when the agent is passed by: pods, claims and policies that somebody puts straight into
 * the peers' namespaces. Two tenants on cluster A, guarded by the same code that an agent runs; the agent's own pod is played
 * by one that bears its labels. E2E_IMAGE is the image of chart.e2e.ts, with its client `echo-server dial`.
 */

import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { after, before, test } from "node:test";
import { systemClock as clock } from "../../src/base/clock.ts";
import { silentLog as log } from "../../src/base/log.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { resourceQuotas } from "../../src/kube/resources.ts";
import { networkPolicyFor } from "../../src/policy/enforcement.ts";
import { createGuardedNamespaces, type GuardedNamespaces } from "../../src/workloads/host/guarded-namespaces.ts";
import { agentPodLabels } from "../../src/workloads/host/guards-facts.ts";
import { labels } from "../../src/workloads/host/names.ts";
import { FakePolicies } from "../workloads/guarded.ts";
import { FakePeering, fingerprintOf } from "../workloads/town.ts";
import { type Cluster, openCluster } from "./clusters.ts";
import { type Outcome, run } from "./command.ts";
import { until } from "./until.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const [east, west, agents, others] = [
  "fairlead-peer-guards-east",
  "fairlead-peer-guards-west",
  "guards-agent",
  "guards-others",
];
const all = [east, west, agents, others];
const metadataAddress = "169.254.169.254";
const never = new AbortController().signal;

let a: Cluster;
let kube: KubeConnection;
let guarded: GuardedNamespaces;
let policies: FakePolicies;
/** Two ports of this machine: the policy names the first. */
let servers: Server[];

const rules = (more: JsonObject = {}): JsonObject => ({
  accept: true,
  quota: { pods: 3, "requests.cpu": "1" },
  pod: { max: { cpu: "500m", memory: "256Mi" }, defaultRequests: { cpu: "10m", memory: "16Mi" } },
  network: {
    egress: [
      { cidr: "0.0.0.0/0" },
      { cidr: "10.0.0.0/8", ports: [{ port: 6443 }, { port: 443 }] },
      ...(process.env.HOST_IP ? [{ cidr: `${process.env.HOST_IP}/32`, ports: [{ port: portOf(servers[0]) }] }] : []),
    ],
  },
  ...more,
});

before(
  async () => {
    a = openCluster("a");
    await clean();
    servers = await Promise.all([listen(), listen()]);
    kube = await connectKube({ kubeconfig: a.kubeconfig, clock });
    const dns = await a.get<{ spec: { clusterIP: string } }>(["service", "-n", "kube-system", "kube-dns"]);
    const peering = new FakePeering(clock);
    for (const name of ["guards-east", "guards-west"]) peering.set(name, {});
    policies = new FakePolicies(rules());
    const place = { inCluster: true, namespace: agents, server: kube.server, nameservers: [dns.spec.clusterIP] };
    const onGuarded = (): void => undefined;
    const deps = { client: kube.client, roster: peering, policies, tenantRole: undefined, place, onGuarded };
    guarded = createGuardedNamespaces({ ...deps, clock, log });
    for (const peer of ["guards-east", "guards-west"]) {
      const claim = await guarded.claim({ peer, fingerprint: fingerprintOf(peer) }, never);
      assert.ok(claim.ok, JSON.stringify(claim));
    }
    for (const namespace of [agents, others]) await a.kubectl(["create", "namespace", namespace]);
    await Promise.all([
      start(east, "shop-1", { labels: { [labels.workload]: "shop" } }),
      start(east, "shop-2", { labels: { [labels.workload]: "shop" } }),
      start(east, "desk", { labels: { [labels.workload]: "desk" } }),
      start(west, "shop", { labels: { [labels.workload]: "shop" } }),
      start(agents, "agent", { labels: agentPodLabels }),
      start(agents, "stranger", {}),
      start(others, "node", { hostNetwork: true }),
    ]);
    const app = networkPolicyFor({ namespace: east, name: "shop" }, { [labels.workload]: "shop" });
    await a.kubectl(
      ["create", "-f", "-"],
      JSON.stringify({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", ...app }),
    );
  },
  { timeout: 240_000 },
);

after(
  async () => {
    await guarded?.close();
    kube?.close();
    for (const server of servers ?? []) server.close();
    await clean();
  },
  { timeout: 180_000 },
);

async function clean(): Promise<void> {
  await a.kubectl(["delete", "namespace", ...all, "--ignore-not-found", "--timeout=120s"]);
}

async function listen(): Promise<Server> {
  const server = createServer((socket) => socket.on("error", () => undefined).end("ahoy\n"));
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  return server;
}

function portOf(server: Server | undefined): number {
  const address = server?.address();
  return address && typeof address === "object" ? address.port : 0;
}

function podOf(namespace: string, name: string, o: { labels?: object; spec?: object; container?: object }): string {
  const container = { name: "app", image, ...o.container };
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, ...(o.labels && { labels: o.labels }) },
    spec: { automountServiceAccountToken: false, containers: [container], terminationGracePeriodSeconds: 0, ...o.spec },
  });
}

async function start(namespace: string, name: string, o: { labels?: object; hostNetwork?: boolean }): Promise<void> {
  const spec = o.hostNetwork ? { hostNetwork: true } : {};
  // On the node's own network its ports must not be those of others.
  const env = ["HTTP_PORT", "TCP_PORT", "UDP_PORT"].map((port, index) => ({
    name: port,
    value: String(28_080 + index),
  }));
  const securityContext = { capabilities: { add: ["NET_ADMIN"] } };
  const container = o.hostNetwork ? { env, securityContext } : {};
  await a.kubectl(
    ["create", "-f", "-"],
    podOf(namespace, name, { ...(o.labels && { labels: o.labels }), spec, container }),
  );
  await a.kubectl(["wait", "-n", namespace, `pod/${name}`, "--for=condition=Ready", "--timeout=90s"]);
}

async function addressOf(namespace: string, pod: string): Promise<string> {
  return (await a.get<{ status: { podIP: string } }>(["pod", "-n", namespace, pod])).status.podIP;
}

async function reaches(namespace: string, pod: string, address: string): Promise<boolean> {
  const dial = ["exec", "-n", namespace, pod, "--", "timeout", "3", "echo-server", "dial", "tcp", address];
  const { code } = await tryKubectl(dial);
  return code === 0;
}

function tryKubectl(args: readonly string[], input?: string): Promise<Outcome> {
  return run(process.env.KUBECTL ?? "kubectl", args, {
    env: { KUBECONFIG: a.kubeconfig },
    ...(input !== undefined && { input }),
  });
}

/** Until it is so, and then that it stays so. */
async function settled(what: string, look: () => Promise<boolean>): Promise<void> {
  await until(what, look, { seconds: 30 });
  assert.ok(await look(), what);
}

test("the agent reaches an app's pods; strangers, other apps of the peer and other tenants do not", {
  timeout: 120_000,
}, async () => {
  const shop = `${await addressOf(east, "shop-1")}:8080`;
  await settled("the agent reaches it", () => reaches(agents, "agent", shop));
  await settled("its own app reaches it", () => reaches(east, "shop-2", shop));
  const refused = await Promise.all([
    reaches(agents, "stranger", shop),
    reaches(east, "desk", shop),
    reaches(west, "shop", shop),
  ]);
  assert.deepEqual(refused, [false, false, false]);
  const desk = `${await addressOf(east, "desk")}:8080`;
  assert.equal(await reaches(east, "shop-1", desk), false, "nor the other way");
});

test("pods resolve names, and reach neither the API server nor Services nor other nodes' ports, whatever their policy names", {
  timeout: 120_000,
}, async () => {
  const resolve = () =>
    tryKubectl(["exec", "-n", east, "shop-1", "--", "nslookup", "kubernetes.default.svc.cluster.local"]);
  await settled("names are resolved", async () => (await resolve()).code === 0);
  const api = await a.get<{ spec: { clusterIP: string } }>(["service", "-n", "default", "kubernetes"]);
  const { hostname } = new URL(kube.server);
  const addresses = [`${api.spec.clusterIP}:443`, `${hostname}:6443`, `${hostname}:10250`];
  const free = await Promise.all(addresses.map((address) => reaches(agents, "stranger", address)));
  assert.deepEqual(free, [true, true, true], "others reach them");
  assert.deepEqual(await Promise.all(addresses.map((address) => reaches(east, "shop-1", address))), [
    false,
    false,
    false,
  ]);
});

test("pods do not reach the address of node metadata, though their policy names all addresses", {
  timeout: 90_000,
}, async () => {
  const onNode = (...command: string[]) => tryKubectl(["exec", "-n", others, "node", "--", ...command]);
  const added = await onNode("ip", "address", "add", `${metadataAddress}/32`, "dev", "lo");
  assert.ok(added.code === 0 || /exists/.test(added.stderr), added.stderr);
  try {
    const address = `${metadataAddress}:28080`;
    await settled("others reach it", () => reaches(agents, "stranger", address));
    assert.equal(await reaches(east, "shop-1", address), false);
  } finally {
    await onNode("ip", "address", "del", `${metadataAddress}/32`, "dev", "lo");
  }
});

test("what the policy names is reached, at the ports that it names, for as long as it does", {
  timeout: 120_000,
}, async (t) => {
  const { HOST_IP: machine } = process.env;
  if (!machine) return t.diagnostic("HOST_IP is not set; this is left out");
  const [named, other] = servers.map((server) => `${machine}:${portOf(server)}`);
  await settled("the named port is reached", () => reaches(east, "shop-1", named ?? ""));
  assert.equal(await reaches(east, "shop-1", other ?? ""), false);
  const east_ = fingerprintOf("guards-east");
  policies.set(rules({ network: {} }), east_, fingerprintOf("guards-west"));
  await settled("it is closed", async () => !(await reaches(east, "shop-1", named ?? "")));
  policies.set(rules(), east_, fingerprintOf("guards-west"));
  await settled("it is open again", () => reaches(east, "shop-1", named ?? ""));
});

const refusals: { name: string; pod: { spec?: object; container?: object }; says: RegExp }[] = [
  { name: "a fourth pod", pod: {}, says: /exceeded quota: fairlead/ },
  {
    name: "a pod above the most that one may have",
    pod: { container: { resources: { limits: { memory: "1Gi" } } } },
    says: /maximum memory usage per (Pod|Container) is 256Mi/,
  },
  {
    name: "a privileged pod",
    pod: { container: { securityContext: { privileged: true } } },
    says: /violates PodSecurity "baseline:latest"/,
  },
  {
    name: "a pod with a folder of the node",
    pod: { spec: { volumes: [{ name: "host", hostPath: { path: "/" } }] } },
    says: /violates PodSecurity "baseline:latest"/,
  },
  { name: "a pod on the node's network", pod: { spec: { hostNetwork: true } }, says: /violates PodSecurity/ },
];

for (const { name, pod, says } of refusals) {
  test(`the cluster itself refuses ${name}`, { timeout: 30_000 }, async () => {
    const { code, stderr } = await tryKubectl(["create", "-f", "-"], podOf(east, "more", pod));
    assert.notEqual(code, 0);
    assert.match(stderr, says);
  });
}

test("the cluster itself refuses claims, ports of the node and load balancers", { timeout: 30_000 }, async () => {
  const claim = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } };
  const service = (type: string) => ({ type, ports: [{ port: 80 }] });
  for (const [kind, spec] of [
    ["PersistentVolumeClaim", claim],
    ["Service", service("NodePort")],
    ["Service", service("LoadBalancer")],
  ] as const) {
    const object = { apiVersion: "v1", kind, metadata: { name: "more", namespace: east }, spec };
    const { code, stderr } = await tryKubectl(["create", "-f", "-"], JSON.stringify(object));
    assert.notEqual(code, 0, kind);
    assert.match(stderr, /exceeded quota: fairlead/);
  }
});

test("under restricted the cluster refuses a pod that may be root, and takes it again under baseline", {
  timeout: 60_000,
}, async () => {
  const fingerprint = fingerprintOf("guards-west");
  const attempt = () => tryKubectl(["create", "--dry-run=server", "-f", "-"], podOf(west, "more", {}));
  policies.set(rules({ podSecurity: "restricted" }), fingerprint);
  await settled("refused", async () => /violates PodSecurity "restricted:latest"/.test((await attempt()).stderr));
  policies.set(rules(), fingerprint);
  await settled("taken", async () => (await attempt()).code === 0);
});

const meddling: { name: string; args: string[] }[] = [
  { name: "deletes the NetworkPolicy", args: ["delete", "networkpolicy", "fairlead"] },
  { name: "deletes the quota", args: ["delete", "quota", "fairlead"] },
  { name: "deletes the LimitRange", args: ["delete", "limitrange", "fairlead"] },
  {
    name: "opens the NetworkPolicy",
    args: ["patch", "networkpolicy", "fairlead", "--type=merge", "-p", '{"spec":{"ingress":[{}],"egress":[{}]}}'],
  },
  {
    name: "widens the quota",
    args: ["patch", "quota", "fairlead", "--type=merge", "-p", '{"spec":{"hard":{"pods":"100","count/secrets":"7"}}}'],
  },
  {
    name: "drops a bound",
    args: ["patch", "limitrange", "fairlead", "--type=json", "-p", '[{"op":"remove","path":"/spec/limits/0/max"}]'],
  },
  {
    name: "takes the Pod Security level off",
    args: ["label", "namespace", west, "pod-security.kubernetes.io/enforce-"],
  },
  {
    name: "has the rules of an old version count",
    args: ["label", "namespace", west, "--overwrite", "pod-security.kubernetes.io/enforce-version=v1.20"],
  },
];

/** All that guards the tenant in the west, as text. */
async function guards(): Promise<string> {
  const found = await a.get<{ items: { metadata: { labels?: object }; spec: object }[] }>([
    "networkpolicies,quota,limitranges",
    "-n",
    west,
  ]);
  const { metadata } = await a.get<{ metadata: { labels: object } }>(["namespace", west]);
  return JSON.stringify([metadata.labels, ...found.items.map((item) => [item.metadata.labels, item.spec])]);
}

for (const { name, args } of meddling) {
  test(`it is put back when somebody ${name}`, { timeout: 60_000 }, async () => {
    const before = await guards();
    await a.kubectl([...args, ...(args.includes("namespace") ? [] : ["-n", west])]);
    await settled("as it was", async () => (await guards()) === before);
  });
}

test("it is put back when somebody has a quota count for some pods only, which cannot be edited", {
  timeout: 60_000,
}, async () => {
  const before = await guards();
  const ref = { namespace: west, name: "fairlead" };
  const draft = resourceQuotas.parse({ metadata: ref, spec: { hard: { pods: "3" }, scopes: ["BestEffort"] } });
  await until("somebody's quota is there before the agent's", async () => {
    await kube.client.delete(resourceQuotas, ref, {}, never);
    return (await kube.client.create(resourceQuotas, draft, never)) !== undefined;
  });
  await settled("as it was", async () => (await guards()) === before);
});
