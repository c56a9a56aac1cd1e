/**
 * A Secret of cluster A in the pods of an app on cluster B, with the agents beside their clusters. The image under test (E2E_IMAGE)
 * need not print anything: a pod whose Secret is missing does not start, and each content is an object of its own.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type AgentProcess, startAgent } from "./agent.ts";
import { applyDefinitions, type Cluster, openCluster } from "./clusters.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const agentNamespace = "fairlead-e2e-secrets";
const shop = "fairlead-e2e-secrets-shop";
const home = "fairlead-peer-e2e-secrets-a";

interface Listed {
  items: {
    metadata: { name: string; namespace: string };
    data?: Record<string, string>;
    immutable?: boolean;
    spec?: { containers: { env?: { valueFrom?: { secretKeyRef?: { name: string } } }[] }[] };
    status?: { phase?: string };
  }[];
}

const policy = JSON.stringify({
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "PeerPolicy",
  metadata: { name: "all", namespace: agentNamespace },
  spec: { workloads: { accept: true } },
});

const app = JSON.stringify({
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "RemoteApp",
  metadata: { name: "web", namespace: shop },
  spec: {
    peer: "e2e-secrets-b",
    image,
    secrets: [{ name: "db" }],
    configMaps: [{ name: "site", data: { motto: "here" } }],
    env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }],
    volumes: [
      { name: "keys", secret: { secretName: "db" } },
      { name: "site", configMap: { name: "site" } },
    ],
    volumeMounts: [
      { name: "keys", mountPath: "/run/keys" },
      { name: "site", mountPath: "/run/site" },
    ],
  },
});

let a: Cluster;
let b: Cluster;
let origin: AgentProcess;
let host: AgentProcess;

before(
  async () => {
    [a, b] = [openCluster("a"), openCluster("b")];
    await clean();
    await Promise.all([a, b].map(applyDefinitions));
    await Promise.all([a, b].map((cluster) => cluster.kubectl(["create", "namespace", agentNamespace])));
    await a.kubectl(["create", "namespace", shop]);
    await b.kubectl(["create", "-f", "-"], policy);
    const ports = async () => ({ console: await freePort(), link: await freePort(), telemetry: await freePort() });
    const place = (name: string) => ({ name, namespace: agentNamespace });
    [origin, host] = await Promise.all([
      startAgent(a, await ports(), place("e2e-secrets-a")),
      startAgent(b, await ports(), place("e2e-secrets-b")),
    ]);
    await origin.cli(["join", "-"], (await host.cli(["invite", "--grant", "apps"])).trim());
  },
  { timeout: 240_000 },
);

after(
  async () => {
    await Promise.all([origin?.stop(), host?.stop()]);
    await clean();
  },
  { timeout: 180_000 },
);

/** No agent is there to take finalizers off. */
async function clean(): Promise<void> {
  const places: [Cluster, string, string][] = [
    [a, "remoteapps", shop],
    [b, "workloads", home],
  ];
  for (const [cluster, kind, namespace] of places) {
    const crds = await cluster.kubectl(["get", "crd", "-o", "name"]);
    if (!crds.includes(`${kind}.fairlead.dev`)) continue;
    const { items } = await cluster.get<Listed>([kind, "-n", namespace]);
    for (const { metadata } of items) {
      const patch = JSON.stringify({ metadata: { finalizers: null } });
      await cluster.kubectl(["patch", kind, "-n", namespace, metadata.name, "--type=merge", "-p", patch]);
    }
  }
  const all = [agentNamespace, shop, home];
  const options = ["--ignore-not-found", "--wait=true", "--timeout=120s"];
  await Promise.all([a, b].map((cluster) => cluster.kubectl(["delete", "namespace", ...all, ...options])));
}

async function reason(): Promise<string> {
  return a.kubectl([
    "get",
    "remoteapp",
    "web",
    "-n",
    shop,
    "-o",
    "jsonpath={.status.phase} {.status.reason} {.status.message}",
  ]);
}

async function brought(): Promise<string[]> {
  const { items } = await b.get<Listed>(["secrets", "-n", home, "-l", "fairlead.dev/content"]);
  assert.ok(items.every(({ immutable }) => immutable === true));
  return items.map(({ data }) => Buffer.from(data?.password ?? "", "base64").toString());
}

/** What the pods that run are given, and nothing while others run beside them. */
async function given(): Promise<string | undefined> {
  const { items: pods } = await b.get<Listed>(["pods", "-n", home]);
  const names = pods.map(({ spec }) => spec?.containers[0]?.env?.[0]?.valueFrom?.secretKeyRef?.name ?? "");
  if (names.length !== 1 || pods[0]?.status?.phase !== "Running") return undefined;
  const encoded = await b.kubectl(["get", "secret", "-n", home, names[0] ?? "", "-o", "jsonpath={.data.password}"]);
  return Buffer.from(encoded, "base64").toString();
}

test("an app waits for its Secret, and runs with it once it is labelled", { timeout: 180_000 }, async () => {
  await a.kubectl(["create", "secret", "generic", "db", "-n", shop, "--from-literal=password=one"]);
  await a.kubectl(["create", "-f", "-"], app);
  await until("it says what is missing", async () => /SecretNotShared/.test(await reason()), { seconds: 60 });
  await a.kubectl(["label", "secret", "db", "-n", shop, "fairlead.dev/shared=true"]);
  let last = "";
  const isReady = async (): Promise<boolean> => {
    last = await reason();
    return last.startsWith("Ready");
  };
  await until("Ready", isReady, { seconds: 90, seen: () => last });
  assert.equal(await given(), "one");
});

test("a changed Secret reaches new pods, within a second as far as the agents go, and the old content goes", {
  timeout: 180_000,
}, async () => {
  await a.kubectl(["patch", "secret", "db", "-n", shop, "--type=merge", "-p", '{"stringData":{"password":"two"}}']);
  const from = Date.now();
  await until("the host has it", async () => (await brought()).includes("two"), { seconds: 30 });
  const tookMs = Date.now() - from;
  await until("the pods have it", async () => (await given()) === "two", { seconds: 90 });
  await until("the old one is gone", async () => (await brought()).join() === "two", { seconds: 60 });
  assert.ok(tookMs < 10_000, `it took ${tookMs} ms`);
});

test("a Secret that somebody deletes at the host is back, and one that is shared no more is not sent anew", {
  timeout: 120_000,
}, async () => {
  await b.kubectl(["delete", "secret", "-n", home, "-l", "fairlead.dev/content"]);
  await until("it is back", async () => (await brought()).join() === "two", { seconds: 60 });
  await a.kubectl(["label", "secret", "db", "-n", shop, "fairlead.dev/shared-"]);
  await until("it says so", async () => /Degraded SecretNotShared/.test(await reason()), { seconds: 60 });
  assert.equal(await given(), "two");
});

test("with the app goes all that it brought", { timeout: 120_000 }, async () => {
  await origin.cli(["app", "delete", "web", "-n", shop, "--wait"]);
  assert.deepEqual(await brought(), []);
});
