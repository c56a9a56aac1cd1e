/**
 * The main job between two real clusters: an app of cluster A runs on cluster B, and everything about it is at A. The
 * agents run beside the clusters, each with a kubeconfig.
 *
 * The image under test (E2E_IMAGE) serves HTTP on 8080: /bytes?n= with x-sha256, /stream?n=&ms= as server-sent events,
 * /log?line= that writes to standard output.
 */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { type AgentProcess, agentNamespace, startAgent } from "./agent.ts";
import { applyDefinitions, type Cluster, openCluster } from "./clusters.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const run = randomBytes(3).toString("hex");
const namespace = `fairlead-e2e-${run}`;
const hostNamespace = "fairlead-peer-cluster-a";

interface Listed<T> {
  items: T[];
}
interface App {
  metadata: { name: string; generation: number };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    readyReplicas?: number;
    observedGeneration?: number;
    conditions?: { type: string; status: string }[];
  };
}
interface Hosted {
  metadata: { name: string; uid: string; namespace: string };
  spec: { replicas: number };
}

/** Without one nothing of a peer runs. */
const openPolicy = JSON.stringify({
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "PeerPolicy",
  metadata: { name: "all", namespace: agentNamespace },
  spec: { workloads: { accept: true } },
});

let a: Cluster;
let b: Cluster;
let origin: AgentProcess;
let host: AgentProcess;
let invite: string;

before(
  async () => {
    a = openCluster("a");
    b = openCluster("b");
    await Promise.all([a, b].map(clean));
    await Promise.all([a, b].map(applyDefinitions));
    await Promise.all([a, b].map((cluster) => cluster.kubectl(["create", "namespace", agentNamespace])));
    await a.kubectl(["create", "namespace", namespace]);
    await b.kubectl(["create", "-f", "-"], openPolicy);
    const ports = async () => ({ console: await freePort(), link: await freePort(), telemetry: await freePort() });
    [origin, host] = await Promise.all([startAgent(a, await ports()), startAgent(b, await ports())]);
  },
  { timeout: 240_000 },
);

after(
  async () => {
    await Promise.all([origin?.stop(), host?.stop()]);
    await Promise.all([a, b].filter(Boolean).map(clean));
  },
  { timeout: 180_000 },
);

/** What these tests make, and nothing of an agent that somebody has in these clusters in earnest. */
const ours = /^(fairlead-e2e-.+|fairlead-peer-cluster-[ab])$/;

/** Removes what an earlier run or this one left, finalizers included: no agent is there to take them off. */
async function clean(cluster: Cluster): Promise<void> {
  const crds = await cluster.kubectl(["get", "crd", "-o", "name"]);
  for (const kind of ["remoteapps", "workloads"]) {
    if (!crds.includes(`${kind}.fairlead.dev`)) continue;
    const { items } = await cluster.get<Listed<Hosted>>([kind, "-A"]);
    for (const { metadata } of items) {
      if (!ours.test(metadata.namespace)) continue;
      const patch = JSON.stringify({ metadata: { finalizers: null } });
      await cluster.kubectl(["patch", kind, "-n", metadata.namespace, metadata.name, "--type=merge", "-p", patch]);
    }
  }
  const { items } = await cluster.get<Listed<Hosted>>(["namespaces"]);
  const names = items.map(({ metadata }) => metadata.name).filter((name) => ours.test(name));
  if (names.length > 0) await cluster.kubectl(["delete", "namespace", ...names, "--wait=true", "--timeout=120s"]);
}

function manifest(name: string, spec: Record<string, unknown>): string {
  return JSON.stringify({
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "RemoteApp",
    metadata: { name, namespace },
    spec: { peer: "cluster-b", image, ports: [{ containerPort: 8080 }], ...spec },
  });
}

function app(name: string): Promise<App> {
  return a.get<App>(["remoteapp", "-n", namespace, name]);
}

function ready(name: string, replicas: number, seconds = 60): Promise<App> {
  let last: App | undefined;
  return until(
    `${name} is Ready with ${replicas} replicas`,
    async () => {
      last = await app(name);
      const { status, metadata } = last;
      return (
        status?.phase === "Ready" &&
        status.readyReplicas === replicas &&
        status.observedGeneration === metadata.generation &&
        last
      );
    },
    { seconds, seen: () => last?.status },
  );
}

function connected(agent: AgentProcess, peer: string, seconds = 45): Promise<true> {
  return until(
    `${agent.name} is connected with ${peer}`,
    async () => {
      const found = JSON.parse(await agent.cli(["peer", "get", peer, "-o", "json"]));
      return found.status?.link?.state === "Connected" ? (true as const) : undefined;
    },
    { seconds },
  );
}

function hosted(): Promise<Hosted[]> {
  return b.get<Listed<Hosted>>(["deployments", "-n", hostNamespace]).then(({ items }) => items);
}

async function door(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${await origin.token()}` };
  return fetch(`${origin.consoleUrl}/apps/${namespace}/echo/8080${path}`, { ...init, headers });
}

test("two agents pair with one invite and are connected", { timeout: 60_000 }, async () => {
  invite = (await host.cli(["invite", "--grant", "apps"])).trim();
  const joined = await origin.cli(["join", "-"], invite);
  assert.match(joined, /Paired with cluster-b\. Words.*: \w+-\w+-\w+-\w+/);
  await Promise.all([connected(origin, "cluster-b"), connected(host, "cluster-a")]);
});

test("kubectl apply of a RemoteApp here runs it there, Ready here with Events", { timeout: 120_000 }, async () => {
  await a.kubectl(["apply", "-f", "-"], manifest("echo", { replicas: 2 }));
  await ready("echo", 2);
  const [deployment, ...others] = await hosted();
  assert.equal(deployment?.spec.replicas, 2);
  assert.deepEqual(others, []);
  const events = await until("Events on the RemoteApp", async () => {
    const { items } = await a.get<Listed<{ reason: string; involvedObject: { kind: string; name: string } }>>([
      "events",
      "-n",
      namespace,
    ]);
    const mine = items.filter(
      (event) => event.involvedObject.kind === "RemoteApp" && event.involvedObject.name === "echo",
    );
    return mine.length > 0 && mine;
  });
  assert.ok(
    events.some((event) => /Ready/.test(event.reason)),
    `an Event says Ready: ${JSON.stringify(events)}`,
  );
  assert.match(await a.kubectl(["get", "rapp", "-n", namespace]), /echo\s+cluster-b\s+Ready\s+2/);
});

test("an unknown field is refused at apply with its path", { timeout: 30_000 }, async () => {
  await assert.rejects(a.kubectl(["apply", "-f", "-"], manifest("wrong", { imageTag: "1" })), /spec\.imageTag/);
});

test("its page, and 20 MiB with their hash, come through the link", { timeout: 60_000 }, async () => {
  const page = await door("/hello?who=me");
  assert.equal(page.status, 200);
  assert.match(await page.text(), /\/hello/);
  const bytes = await door(`/bytes?n=${20 << 20}`);
  const expected = bytes.headers.get("x-sha256");
  const hash = createHash("sha256");
  let length = 0;
  for await (const chunk of bytes.body ?? []) {
    hash.update(chunk);
    length += chunk.length;
  }
  assert.equal(length, 20 << 20);
  assert.equal(hash.digest("hex"), expected);
});

test("an event stream's first byte comes at once", { timeout: 30_000 }, async () => {
  const stopped = new AbortController();
  // Ten events, an hour apart: the first is read only if nothing waits for the others.
  const stream = await door("/stream?n=10&ms=3600000", { signal: stopped.signal });
  const reader = stream.body?.getReader();
  const first = await reader?.read();
  assert.ok((first?.value?.length ?? 0) > 0);
  stopped.abort();
});

test("logs -f follows what the app writes", { timeout: 60_000 }, async () => {
  const logs = origin.spawnCli(["app", "logs", "echo", "-n", namespace, "-f", "--prefix"]);
  try {
    const word = `word-${randomBytes(6).toString("hex")}`;
    const seen = new Promise<string>((resolve, reject) => {
      logs.once("exit", (code) => reject(new Error(`logs -f ended with ${code}`)));
      if (logs.stdout)
        createInterface({ input: logs.stdout }).on("line", (line) => line.includes(word) && resolve(line));
    });
    await door(`/log?line=${word}`);
    assert.match(await seen, /^\[.+\] /);
  } finally {
    logs.removeAllListeners("exit").kill();
  }
});

test("kubectl scale here scales there", { timeout: 60_000 }, async () => {
  await a.kubectl(["scale", "rapp", "echo", "-n", namespace, "--replicas=3"]);
  await ready("echo", 3);
  assert.equal((await hosted())[0]?.spec.replicas, 3);
});

test("an image that does not exist shows its reason here", { timeout: 90_000 }, async () => {
  await a.kubectl(["apply", "-f", "-"], manifest("missing", { image: "example.test/no-such-image:1" }));
  let last: App | undefined;
  await until(
    "the reason is shown",
    async () => {
      last = await app("missing");
      return /ImagePull/.test(`${last.status?.reason} ${last.status?.message}`);
    },
    { seconds: 75, seen: () => last?.status },
  );
  await origin.cli(["app", "delete", "missing", "-n", namespace, "--wait"]);
});

test("either agent can be killed: the app goes on, the link comes back, nothing is doubled", {
  timeout: 180_000,
}, async () => {
  const [before] = await hosted();
  for (const agent of [origin, host]) {
    await agent.kill();
    // What is written while it is away is done when it is back.
    const replicas = agent === origin ? 2 : 3;
    await a.kubectl(["scale", "rapp", "echo", "-n", namespace, `--replicas=${replicas}`]);
    await agent.start();
    await Promise.all([connected(origin, "cluster-b"), connected(host, "cluster-a")]);
    await ready("echo", replicas);
    const all = await hosted();
    assert.deepEqual(
      all.map(({ metadata }) => metadata.uid),
      [before?.metadata.uid],
      "the same Deployment, and no other",
    );
  }
});

test("an API server that stops in the middle is waited for", { timeout: 180_000 }, async (t) => {
  for (const cluster of [b, a]) {
    if (!cluster.apiServer) {
      t.diagnostic(`nothing says how to stop the API server of ${cluster.name}; this is left out`);
      continue;
    }
    await cluster.apiServer.stop();
    try {
      // The wish is written where the API server still answers, or as soon as it does again.
      if (cluster === b) await a.kubectl(["scale", "rapp", "echo", "-n", namespace, "--replicas=1"]);
    } finally {
      await cluster.apiServer.start();
    }
    const replicas = cluster === b ? 1 : 2;
    await until("the API server is back", () => cluster.kubectl(["get", "--raw", "/readyz"]), { seconds: 60 });
    if (cluster === a) await a.kubectl(["scale", "rapp", "echo", "-n", namespace, "--replicas=2"]);
    await ready("echo", replicas, 90);
  }
});

test("deleting it here removes everything there", { timeout: 90_000 }, async () => {
  await a.kubectl(["delete", "rapp", "echo", "-n", namespace, "--timeout=60s"]);
  await until("nothing is left at the host", async () => {
    const left = await b.kubectl(["get", "workloads,deployments,services,pods", "-n", hostNamespace, "-o", "name"]);
    return left.trim() === "" || undefined;
  });
});

test("removing the peer ends it on both sides", { timeout: 60_000 }, async () => {
  await origin.cli(["peer", "remove", "cluster-b", "--delete-workloads"]);
  await until("the other side has let go too", async () => {
    const peers = JSON.parse(await host.cli(["peer", "list", "-o", "json"]));
    return peers.items.length === 0 || undefined;
  });
  const again = await origin.tryCli(["join", invite]);
  assert.equal(again.code, 4, "the invite that paired them is used up");
  assert.match(again.stderr, /used/);
});
