/**
 * The main job between two real clusters as users run it: agents installed by the chart from the image, paired through a
 * NodePort, an app of cluster A on cluster B, and all the trouble that comes. The image under test of the apps (E2E_IMAGE) is
 * the one of two-clusters.e2e.ts, with a shell; NETWORK_CUT and NETWORK_HEAL drop packets between the clusters.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { type Cluster, openCluster, openNetwork, refreshDefinitions } from "./clusters.ts";
import { forwardNamesItsRight } from "./forward-steps.ts";
import { meddleWithGuards } from "./guard-steps.ts";
import { historyIsKept } from "./history-steps.ts";
import { clean, connected, type InstalledAgent, openAgent, releaseNamespace } from "./installed.ts";
import { everyKindRuns } from "./kind-steps.ts";
import { forgetsOldInvite, revokesInvite } from "./old-invite.ts";
import { tokenOpens, visitorValues } from "./token-steps.ts";
import { startTransfers } from "./under-way.ts";
import { until } from "./until.ts";
import { givenRights, usedRights } from "./used-rights.ts";
import { writePolicy } from "./write-policy.ts";

const image = process.env.E2E_IMAGE ?? "example.test/echo:1";
const namespace = `chart-${randomBytes(3).toString("hex")}`;
const hostNamespace = "fairlead-peer-chart-a";
const podSecurity = "pod-security.kubernetes.io/enforce";
const startedAt = new Date();
const ours = /^(chart-[0-9a-f]{6}|fairlead-chart|fairlead-peer-chart-[ab])$/;

type Listed<T> = { items: T[] };
interface App {
  metadata: { name: string; generation: number };
  status?: Partial<Record<"phase" | "reason" | "message", string>> &
    Partial<Record<"readyReplicas" | "observedGeneration", number>> & { pods?: { lastLines?: string }[] };
}
interface Hosted {
  metadata: { name: string; uid: string };
  spec: { replicas: number };
}

let a: Cluster;
let b: Cluster;
let origin: InstalledAgent;
let host: InstalledAgent;
let invite: string;
before(
  async () => {
    a = openCluster("a");
    b = openCluster("b");
    await Promise.all([clean(a, ours), clean(b, ours)]);
    // Helm refuses to install over definitions that another hand has put there and that differ.
    await Promise.all([refreshDefinitions(a), refreshDefinitions(b)]);
    [origin, host] = await Promise.all([openAgent(a, "chart-a"), openAgent(b, "chart-b")]);
    await a.kubectl(["create", "namespace", namespace]);
    await Promise.all([origin.install(visitorValues(namespace)), host.install()]);
  },
  { timeout: 240_000 },
);

after(() => Promise.all([a, b].filter(Boolean).map((cluster) => clean(cluster, ours))), { timeout: 180_000 });

function manifest(name: string, spec: object): string {
  return JSON.stringify({
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "RemoteApp",
    metadata: { name, namespace },
    spec: { peer: "chart-b", image, ports: [{ containerPort: 8080 }], ...spec },
  });
}

const app = (name: string): Promise<App> => a.get<App>(["remoteapp", "-n", namespace, name]);
const deployments = (): Promise<Hosted[]> =>
  b.get<Listed<Hosted>>(["deployments", "-n", hostNamespace]).then(({ items }) => items);

function reaches(name: string, what: string, is: (app: App) => boolean, seconds = 75): Promise<App> {
  let last: App | undefined;
  return until(
    `${name} ${what}`,
    async () => {
      last = await app(name);
      return is(last) && last;
    },
    { seconds, seen: () => last?.status },
  );
}

function ready(name: string, replicas: number, seconds = 75): Promise<App> {
  return reaches(
    name,
    `is Ready with ${replicas}`,
    ({ status, metadata }) =>
      status?.phase === "Ready" &&
      status.readyReplicas === replicas &&
      status.observedGeneration === metadata.generation,
    seconds,
  );
}

const door = (path: string): string => `/apps/${namespace}/echo/8080${path}`;

test("the agents pair through a NodePort, and an expired invite is refused", {
  timeout: 240_000,
}, async () => {
  invite = (await host.cli(["invite", "--grant", "apps"])).trim();
  const joined = await origin.cli(["join", "-"], invite);
  assert.match(joined, /Paired with chart-b\. Words.*: \w+-\w+-\w+-\w+/);
  await connected(origin, host);
  const short = (await host.cli(["invite", "--for", "1s"])).trim();
  // Used in time it would pair them anew, without the grant.
  const over = Date.now() + 3_000;
  await until("the invite expires", async () => Date.now() > over);
  const expired = await origin.tryCli(["join", "-"], short);
  assert.match(expired.stderr, /expired/);
  assert.equal(expired.code, 4, expired.stderr);
  await revokesInvite(host);
  await forgetsOldInvite(b, host);
  await writePolicy(host);
});

test("kubectl apply in a namespace of its own runs it there, Ready here with Events", {
  timeout: 120_000,
}, async () => {
  await a.kubectl(["apply", "-f", "-"], manifest("echo", { replicas: 2 }));
  await ready("echo", 2);
  assert.deepEqual(
    (await deployments()).map(({ spec }) => spec.replicas),
    [2],
  );
  await until("an Event says Ready", async () => {
    const events = ["events", "-n", namespace];
    const { items } = await a.get<Listed<{ reason: string; involvedObject: { kind: string } }>>(events);
    return items.some(({ reason, involvedObject }) => involvedObject.kind === "RemoteApp" && /Ready/.test(reason));
  });
  await forwardNamesItsRight(origin, namespace, host.name);
  await tokenOpens(origin, namespace);
});

test("its page, 20 MiB down and 20 MiB up with their hashes, an event stream at once, a WebSocket", {
  timeout: 120_000,
}, async () => {
  await origin.withConsole(async (url, headers) => {
    assert.match(await (await fetch(url + door("/hello?who=me"), { headers })).text(), /\/hello/);

    const down = await fetch(url + door(`/bytes?n=${20 << 20}`), { headers });
    const received = Buffer.from(await down.arrayBuffer());
    assert.equal(received.length, 20 << 20);
    assert.equal(createHash("sha256").update(received).digest("hex"), down.headers.get("x-sha256"));

    const body = randomBytes(20 << 20);
    const up = await fetch(url + door("/upload"), { method: "POST", headers, body });
    assert.deepEqual(await up.json(), { bytes: 20 << 20, sha256: createHash("sha256").update(body).digest("hex") });

    const stopped = new AbortController();
    // An hour apart: the first is read only if nothing waits for the others.
    const stream = await fetch(url + door("/stream?n=10&ms=3600000"), { headers, signal: stopped.signal });
    const first = await stream.body?.getReader().read();
    assert.ok((first?.value?.length ?? 0) > 0);
    stopped.abort();

    const socket = new WebSocket(url.replace("http", "ws") + door("/ws"), ["echo.v1"], { headers });
    const said = await new Promise<string>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("open", () => socket.send("ahoy"));
      socket.on("message", (data) => resolve(String(data)));
    });
    assert.deepEqual([said, socket.protocol], ["ahoy", "echo.v1"]);
    socket.terminate();
  });
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
    await origin.withConsole((url, headers) => fetch(url + door(`/log?line=${word}`), { headers }));
    assert.match(await seen, /^\[.+\] /);
  } finally {
    logs.removeAllListeners("exit").kill();
  }
});

test("kubectl scale scales there; a Service goes with its port; specs are kept", { timeout: 240_000 }, async () => {
  await a.kubectl(["scale", "rapp", "echo", "-n", namespace, "--replicas=3"]);
  await ready("echo", 3);
  assert.equal((await deployments())[0]?.spec.replicas, 3);
  await a.kubectl(["apply", "-f", "-"], manifest("portless", {}));
  await ready("portless", 1);
  await a.kubectl(["patch", "rapp", "portless", "-n", namespace, "--type=merge", "-p", '{"spec":{"ports":[]}}']);
  await until("its Service is gone", async () => {
    const { items } = await b.get<Listed<Hosted>>(["services", "-n", hostNamespace]);
    return items.every(({ metadata }) => !metadata.name.startsWith("portless"));
  });
  await origin.cli(["app", "delete", "portless", "-n", namespace, "--wait"]);
  await historyIsKept({ origin, namespace, name: "annals", manifest, seconds: 30 });
});

test("apps of every kind run there with what they bring along", { timeout: 400_000 }, async () => {
  await everyKindRuns({ origin, host, namespace, hostNamespace, manifest, ready });
});

const troubles: { name: string; spec: object; says: RegExp; prints?: RegExp }[] = [
  { name: "missing", spec: { image: "example.test/no-such-image:1" }, says: /ImagePull/ },
  {
    name: "three",
    spec: { command: ["sh", "-c", "echo no sail; exit 3"] },
    says: /exit code 3/,
    prints: /no sail/,
  },
  { name: "big", spec: { resources: { requests: { cpu: "900" } } }, says: /Unschedulable.*Insufficient cpu/s },
];

for (const { name, spec, says, prints } of troubles) {
  test(`the reason is here: ${says.source}`, { timeout: 120_000 }, async () => {
    await origin.cli(["app", "deploy", "-f", "-", "-n", namespace], manifest(name, spec));
    await reaches(name, "shows its reason", ({ status }) => says.test(`${status?.reason} ${status?.message}`), 90);
    if (prints)
      await reaches(name, "shows its last lines", ({ status }) =>
        (status?.pods ?? []).some(({ lastLines = "" }) => prints.test(lastLines)),
      );
    await origin.cli(["app", "delete", name, "-n", namespace, "--wait"]);
  });
}

test("a tenant's pod has no token, and nothing of the agent's can be given to it", { timeout: 60_000 }, async () => {
  const [pod = ""] = (await b.kubectl(["get", "pods", "-n", hostNamespace, "-o", "name"])).trim().split("\n");
  const inPod = (...command: string[]): Promise<string> =>
    b.kubectl(["exec", "-n", hostNamespace, pod, "--", ...command]);
  await assert.rejects(inPod("ls", "/var/run/secrets/kubernetes.io/serviceaccount"), /No such file/);
  assert.doesNotMatch(await inPod("env"), /FAIRLEAD|TOKEN/);
  const secret = { name: "KEY", valueFrom: { secretKeyRef: { name: "fairlead-identity", key: "key" } } };
  await a.kubectl(["apply", "-f", "-"], manifest("thief", { env: [secret] }));
  await reaches("thief", "is refused", ({ status }) => /does not bring along/.test(status?.message ?? ""));
  const tenant = `--as=system:serviceaccount:${hostNamespace}:default`;
  for (const where of [releaseNamespace, hostNamespace]) {
    await assert.rejects(b.kubectl(["auth", "can-i", "get", "secrets", "-n", where, tenant]), /ended with 1/);
  }
});

test("what others change of a tenant's Deployment and its guards is put back", { timeout: 240_000 }, async () => {
  const found = (await deployments())[0]?.metadata.name ?? "";
  const spec = { template: { spec: { containers: [{ name: "spy", image }] } } };
  await b.kubectl(["patch", "deployment", "-n", hostNamespace, found, "-p", JSON.stringify({ spec })]);
  const containers = "jsonpath={.items[0].spec.template.spec.containers[*].name}";
  await until("the container that was added is gone", async () => {
    return (await b.kubectl(["get", "deployments", "-n", hostNamespace, "-o", containers])) === "app";
  });
  await meddleWithGuards(b, hostNamespace, { namespace: releaseNamespace, name: "all" });
  await ready("echo", 3);
});

test("either agent's pod can be killed: the app goes on, link and status come back, nothing is doubled", {
  timeout: 240_000,
}, async () => {
  const [before] = await deployments();
  for (const agent of [origin, host]) {
    // What is written while it is away is done when it is back.
    const replicas = agent === origin ? 2 : 3;
    // And what was undone in the meantime is put right.
    if (agent === host) await b.kubectl(["label", "namespace", hostNamespace, `${podSecurity}-`]);
    const killed = agent.killPod();
    await a.kubectl(["scale", "rapp", "echo", "-n", namespace, `--replicas=${replicas}`]);
    await killed;
    await connected(origin, host);
    await ready("echo", replicas);
    assert.deepEqual(
      (await deployments()).map(({ metadata }) => metadata.uid),
      [before?.metadata.uid],
    );
  }
  const { metadata } = await b.get<{ metadata: { labels: Record<string, string> } }>(["namespace", hostNamespace]);
  assert.equal(metadata.labels[podSecurity], "baseline");
});

test("an API server that stops in the middle is waited for", { timeout: 180_000 }, async (t) => {
  if (!b.apiServer) return t.diagnostic("API_STOP_B and API_START_B are not set; this is left out");
  await b.apiServer.stop();
  try {
    await a.kubectl(["scale", "rapp", "echo", "-n", namespace, "--replicas=1"]);
  } finally {
    await b.apiServer.start();
  }
  await ready("echo", 1, 120);
});

test("a network that is cut for 20 s is noticed by no transfer", { timeout: 240_000 }, async (t) => {
  const network = openNetwork();
  if (!network) return t.diagnostic("NETWORK_CUT and NETWORK_HEAL are not set; this is left out");
  await origin.withConsole(async (url, headers) => {
    const ask = (path: string, init?: RequestInit) => fetch(url + door(path), { ...init, headers });
    const transfers = await startTransfers({ ask });
    await network.cut();
    try {
      await pause(20_000);
    } finally {
      await network.heal();
    }
    assert.deepEqual(await transfers.end(), { download: "whole", upload: "whole", events: "whole" });
  });
});

test("a network that is cut for 90 s is told and mended", { timeout: 300_000 }, async (t) => {
  const network = openNetwork();
  if (!network) return t.diagnostic("NETWORK_CUT and NETWORK_HEAL are not set; this is left out");
  const [before] = await deployments();
  await network.cut();
  try {
    const cutFor = pause(90_000);
    await a.kubectl(["scale", "rapp", "echo", "-n", namespace, "--replicas=3"]);
    await until("both miss each other", async () => {
      const states = await Promise.all([origin.linkState("chart-b"), host.linkState("chart-a")]);
      return states.every((state) => state !== "Connected");
    });
    await cutFor;
    assert.equal((await deployments())[0]?.spec.replicas, 1, "it goes on as it was");
  } finally {
    await network.heal();
  }
  await connected(origin, host, 90);
  await ready("echo", 3); // As before the last restart, of which there is an Event that is counted on.
  assert.deepEqual(
    (await deployments()).map(({ metadata }) => metadata.uid),
    [before?.metadata.uid],
  );
});

test("helm upgrade with changed values keeps the pairing", { timeout: 120_000 }, async () => {
  await host.install({ "config.log.level": "debug" }).then(() => connected(origin, host));
  assert.match(await host.cli(["config", "show", "--running"]), /log\.level\s+debug/);
  await a.kubectl(["scale", "rapp", "echo", "-n", namespace, "--replicas=2"]);
  await ready("echo", 2);
});

test("uninstall keeps definitions and apps, and an agent installed again goes on with them", {
  timeout: 240_000,
}, async () => {
  const [before] = await deployments();
  await Promise.all([origin.uninstall(), host.uninstall()]);
  for (const cluster of [a, b])
    assert.equal((await cluster.kubectl(["get", "crd", "-o", "name"])).match(/fairlead\.dev/g)?.length, 5);
  assert.deepEqual(
    (await deployments()).map(({ metadata }) => metadata.uid),
    [before?.metadata.uid],
  );
  assert.equal((await app("echo")).status?.phase, "Ready");
  await Promise.all([origin.install(), host.install()]);
  await connected(origin, host);
  await a.kubectl(["scale", "rapp", "echo", "-n", namespace, "--replicas=1"]);
  await ready("echo", 1);
  assert.deepEqual(
    (await deployments()).map(({ metadata }) => metadata.uid),
    [before?.metadata.uid],
  );
});

test("deleting it here removes everything there", { timeout: 90_000 }, async () => {
  await a.kubectl(["delete", "rapp", "echo", "-n", namespace, "--timeout=60s"]);
  await until("nothing is left at the host", async () => {
    const left = await b.kubectl(["get", "workloads,deployments,services,pods", "-n", hostNamespace, "-o", "name"]);
    return left.trim() === "";
  });
});

test("a peer can be removed on either side, and is gone on both", { timeout: 180_000 }, async () => {
  for (const [agent, other] of [
    [origin, host],
    [host, origin],
  ] as const) {
    await agent.cli(["peer", "remove", other.name, "--delete-workloads"]);
    await until("the other side has let go too", async () => {
      const { items } = JSON.parse(await other.cli(["peer", "list", "-o", "json"]));
      return items.length === 0;
    });
    const again = await origin.tryCli(["join", "-"], invite);
    assert.equal(again.code, 4, "an invite that was used is used up");
    assert.match(again.stderr, /used/);
    if (agent === host) break;
    const next = (await host.cli(["invite", "--grant", "apps", "--reuse-name"])).trim();
    await origin.cli(["join", "-", "--reuse-name"], next);
    invite = next;
    await connected(origin, host);
  }
});

test("each right that the chart gives the agent was used in these steps", { timeout: 60_000 }, async (t) => {
  const used = await usedRights(startedAt);
  if (!used) return t.diagnostic("AUDIT_LOG_A and AUDIT_LOG_B are not set; this is left out");
  const given = await givenRights(a);
  assert.ok(given.length > 30);
  assert.deepEqual(
    given.filter((right) => !used.has(right)),
    [],
  );
});
