/** Forwards in reverse with agents that the chart installed: pods of the peer's cluster reach by DNS what this one offers, as long as it lets them. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Cluster, openCluster, refreshDefinitions } from "./clusters.ts";
import { mustRun } from "./command.ts";
import { echoServer } from "./forward-steps.ts";
import { clean, connected, type InstalledAgent, openAgent, releaseNamespace } from "./installed.ts";
import { until } from "./until.ts";
import { usedRights } from "./used-rights.ts";

const namespace = `reverse-${randomBytes(3).toString("hex")}`;
const ours = /^(reverse-[0-9a-f]{6}|fairlead-chart|fairlead-peer-reverse-[ab])$/;
/** The origin's namespace at the host. */
const there = "fairlead-peer-reverse-a";
const startedAt = new Date();

interface Status {
  status?: { phase?: string; message?: string; service?: string };
}
interface Slice {
  endpoints: { addresses: string[]; targetRef: { name: string } }[] | null;
}
interface Named {
  metadata: { name: string };
}

/** The cluster that offers, and the one where it is a Service. */
let a: Cluster;
let b: Cluster;
let origin: InstalledAgent;
let host: InstalledAgent;
before(
  async () => {
    a = openCluster("a");
    b = openCluster("b");
    await Promise.all([clean(a, ours), clean(b, ours)]);
    await Promise.all([refreshDefinitions(a), refreshDefinitions(b)]);
    [origin, host] = await Promise.all([openAgent(a, "reverse-a"), openAgent(b, "reverse-b")]);
    await Promise.all([a, b].map((cluster) => cluster.kubectl(["create", "namespace", namespace])));
    await Promise.all([a, b].map((cluster) => cluster.kubectl(["apply", "-f", "-"], echoServer(namespace))));
    const rule = "policies[0].spec.tunnels.reverse[0]";
    await Promise.all([
      origin.install({ "forwards.namespaces[0]": namespace, "tunnels.namespaces[0]": namespace }),
      host.install({ "forwards.reverse": "true", [`${rule}.name`]: "offered", [`${rule}.ports`]: "{8080,9000,9001}" }),
    ]);
    const invite = (await host.cli(["invite", "--grant", "tunnels"])).trim();
    await origin.cli(["join", "-"], invite);
    await connected(origin, host);
    const rollout = ["-n", namespace, "rollout", "status", "deployment/echo", "--timeout=50s"];
    await Promise.all([a.kubectl(rollout), b.kubectl(rollout)]);
  },
  { timeout: 300_000 },
);

after(() => Promise.all([a, b].filter(Boolean).map((cluster) => clean(cluster, ours))), { timeout: 180_000 });

function forward(name: string, more: object = {}): string {
  const ports = [
    { name: "http", port: 8080, targetPort: "http" },
    { name: "talk", port: 9000 },
  ];
  const spec = { peer: host.name, direction: "Reverse", target: "service/echo", ports, ...more };
  return JSON.stringify({ apiVersion: "fairlead.dev/v1alpha1", kind: "Forward", metadata: { name, namespace }, spec });
}

async function settles(name: string, phase: string, told = /(?:)/): Promise<NonNullable<Status["status"]>> {
  let seen: Status["status"];
  const isSo = async () => {
    seen = (await a.get<Status>(["forward", name, "-n", namespace])).status;
    return seen?.phase === phase && told.test(seen.message ?? "") && seen;
  };
  return until(`${name} is ${phase}`, isSo, { seconds: 90, seen: () => seen });
}

/** What a pod of the host's cluster sees there. */
function fromPod(...command: readonly string[]): Promise<string> {
  return b.kubectl(["exec", "-n", namespace, "deploy/echo", "--", ...command]);
}

function asking(service: string): string[] {
  return ["timeout", "10", "wget", "-q", "-O", "-", `http://${service}.${there}:8080/hello`];
}

/** Nodes take a moment to hear of a Service. */
async function answers(): Promise<void> {
  let seen = "";
  const isSo = async (): Promise<boolean> => {
    seen = await fromPod(...asking("offered")).catch(String);
    return /"path": ?"\/hello"/.test(seen);
  };
  await until("a pod reaches it by its name", isSo, { seconds: 60, seen: () => seen });
}

async function talks(port: number): Promise<void> {
  let said = "";
  const isEchoed = async (): Promise<boolean> => {
    const command = `echo ahoy | timeout 5 echo-server dial tcp offered.${there}:${port}`;
    said = await fromPod("sh", "-c", command).catch(String);
    return said.includes("ahoy");
  };
  await until(`port ${port} answers`, isEchoed, { seconds: 60, seen: () => said });
}

async function isGone(): Promise<void> {
  let left = "";
  const isSo = async (): Promise<boolean> => {
    left = await b.kubectl(["get", "services,endpointslices", "-n", there, "-o", "name"]);
    return !left.includes("offered");
  };
  await until("nothing of it is left there", isSo, { seen: () => left });
}

test("a pod there reaches by DNS what is offered here, at each port, and at another one when that is changed", {
  timeout: 240_000,
}, async () => {
  await a.kubectl(["apply", "-f", "-"], forward("offered"));
  const { service } = await settles("offered", "Ready");
  assert.equal(service, `${there}/offered`);
  await answers();
  await talks(9_000);
  const ports = [
    { name: "http", port: 8080, targetPort: "http" },
    { name: "talk", port: 9001, targetPort: 9000 },
  ];
  await a.kubectl(["apply", "-f", "-"], forward("offered", { ports }));
  await talks(9_001);
  const audited = await origin.cli(["audit", "list", "--action", "tunnel.open"]);
  assert.match(audited, /reverse\/\S+:(http|talk)/);
});

test("what the policy there takes back ends at once, and is back when it lets it again", {
  timeout: 240_000,
}, async () => {
  // It says one word, and then nothing: it ends when the connection does, long before its own time is over.
  const command = `rm -f /tmp/in /tmp/out; mkfifo /tmp/in; (echo ahoy; sleep 280) >/tmp/in 2>/dev/null & timeout 250 echo-server dial tcp offered.${there}:9001 </tmp/in >/tmp/out; echo "ended with $?"`;
  const exec = ["--kubeconfig", b.kubeconfig, "exec", "-n", namespace, "deploy/echo", "--", "sh", "-c", command];
  const held = mustRun(process.env.KUBECTL ?? "kubectl", exec, { seconds: 240 });
  await until("it is open", async () => (await fromPod("cat", "/tmp/out")).includes("ahoy"));
  const change = (reverse: object[]) =>
    b.kubectl(
      ["patch", "peerpolicy", "all", "-n", releaseNamespace, "--type=merge", "-p"].concat(
        JSON.stringify({ spec: { tunnels: { reverse } } }),
      ),
    );
  await change([]);
  await isGone();
  await settles("offered", "Waiting", /tunnels\.reverse \(rule: tunnels\/reverse\)/);
  assert.match(await held, /ended with (?!124|143)/);
  await change([{ name: "offered", ports: [8080, 9000, 9001] }]);
  await settles("offered", "Ready");
  await answers();
});

test("an agent that is killed, at either end, leaves nobody without for longer than the next one needs", {
  timeout: 240_000,
}, async () => {
  const slice = ["endpointslice", "offered-fairlead", "-n", there];
  const before = await b.get<Slice>(slice);
  await host.killPod();
  await connected(origin, host);
  let now: Slice | undefined;
  const isAnother = async (): Promise<boolean> => {
    now = await b.get<Slice>(slice);
    const pod = now.endpoints?.[0]?.targetRef.name;
    return pod !== undefined && pod !== before.endpoints?.[0]?.targetRef.name;
  };
  await until("the EndpointSlice names another pod", isAnother, { seen: () => now });
  await answers();
  await origin.killPod();
  await connected(origin, host);
  await answers();
  await settles("offered", "Ready");
});

test("what the host's policy does not name, what has its Service's name already, and what leads on to a third is refused", {
  timeout: 240_000,
}, async () => {
  await a.kubectl(["apply", "-f", "-"], forward("other"));
  await settles(
    "other",
    "Waiting",
    /lets this cluster offer the Service other at port 8080.*\(rule: tunnels\/reverse\)/,
  );
  const ports = [{ name: "http", port: 22, targetPort: "http" }];
  await a.kubectl(["apply", "-f", "-"], forward("other", { ports, target: `service/${there}/echo` }));
  await settles("other", "Invalid", /another namespace/);
  await a.kubectl(["delete", "forward", "other", "-n", namespace]);

  await a.kubectl(["delete", "forward", "offered", "-n", namespace]);
  await isGone();
  const theirs = { name: "offered", namespace: there };
  const service = { apiVersion: "v1", kind: "Service", metadata: theirs, spec: { ports: [{ port: 80 }] } };
  await b.kubectl(["apply", "-f", "-"], JSON.stringify(service));
  await a.kubectl(["apply", "-f", "-"], forward("offered"));
  await settles("offered", "Waiting", /There is a Service offered in \S+ already/);
  await b.kubectl(["delete", "service", "offered", "-n", there]);
  await settles("offered", "Ready");
  await answers();

  // The Service of a Forward leads to the agent's own ports, and by its rights to a peer.
  const on = [{ name: "http", port: 8080 }];
  await a.kubectl(["apply", "-f", "-"], forward("onward", { direction: "Forward", target: "metrics", ports: on }));
  await settles("onward", "Ready");
  await a.kubectl(["apply", "-f", "-"], forward("offered", { target: "service/onward", ports: on }));
  await settles("offered", "Ready");
  await until("it is not connected", async () => {
    await fromPod(...asking("offered")).catch(() => undefined);
    const audited = await origin.cli(["audit", "list", "--action", "tunnel.open", "-o", "json"]);
    return audited.includes("leads to where peers are not let");
  });
  await a.kubectl(["delete", "forward", "onward", "-n", namespace]);
  await a.kubectl(["apply", "-f", "-"], forward("offered"));
  await answers();
});

test("with the token of one pod an EndpointSlice leads to that pod and to no other of the agent's name", {
  timeout: 120_000,
}, async () => {
  const pods = await b.get<{ items: Named[] }>([
    "pods",
    "-n",
    releaseNamespace,
    "-l",
    "app.kubernetes.io/name=fairlead",
  ]);
  const pod = pods.items[0]?.metadata.name ?? "";
  const bound = ["--bound-object-kind", "Pod", "--bound-object-name", pod];
  const token = (await b.kubectl(["create", "token", "fairlead", "-n", releaseNamespace, ...bound])).trim();
  const config = JSON.parse(await b.kubectl(["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]));
  config.users = config.users.map(({ name }: { name: string }) => ({ name, user: { token } }));
  const folder = await mkdtemp(join(tmpdir(), "fairlead-reverse-"));
  try {
    const kubeconfig = join(folder, "kubeconfig");
    await writeFile(kubeconfig, JSON.stringify(config), { mode: 0o600 });
    const create = (name: string): Promise<string> => {
      const args = ["--kubeconfig", kubeconfig, "create", "--dry-run=server", "-f", "-"];
      return mustRun(process.env.KUBECTL ?? "kubectl", args, { input: JSON.stringify(sliceTo(name)) });
    };
    await create(pod);
    await assert.rejects(create("fairlead-other"), /leads to the agent's own pod/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

function sliceTo(pod: string): object {
  const labels = {
    "app.kubernetes.io/managed-by": "fairlead",
    "fairlead.dev/forward": "u",
    "kubernetes.io/service-name": "odd",
    "endpointslice.kubernetes.io/managed-by": "fairlead.dev",
  };
  const targetRef = { kind: "Pod", namespace: releaseNamespace, name: pod };
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "odd", namespace: there, labels },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.1.2.3"], targetRef }],
    ports: [{ name: "p", port: 20_000, protocol: "TCP" }],
  };
}

test("what belongs to an offer goes with it, and each right that forwards.reverse gives was used", {
  timeout: 120_000,
}, async (t) => {
  await a.kubectl(["delete", "forward", "offered", "-n", namespace]);
  await isGone();
  const used = await usedRights(startedAt, there);
  if (!used) {
    t.diagnostic("AUDIT_LOG_A and AUDIT_LOG_B do not say where the audit logs are");
    return;
  }
  const slices = ["get", "create", "update", "delete"].map((verb) => `discovery.k8s.io/endpointslices ${verb}`);
  assert.deepEqual(
    ["/services get", "/services update", ...slices].filter((right) => !used.has(right)),
    [],
  );
});
