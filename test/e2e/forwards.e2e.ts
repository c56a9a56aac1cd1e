/** Forwards with agents that the chart installed: pods of one cluster reach by DNS what the other has, and the cluster holds the agent to that. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { type Cluster, openCluster, refreshDefinitions } from "./clusters.ts";
import { echoServer } from "./forward-steps.ts";
import { valuesAt } from "./helm-values.ts";
import { clean, connected, type InstalledAgent, openAgent, releaseNamespace } from "./installed.ts";
import { until } from "./until.ts";
import { rightsOf, usedRights } from "./used-rights.ts";

const namespace = `forwards-${randomBytes(3).toString("hex")}`;
const ours = /^(forwards-[0-9a-f]{6}|fairlead-chart|fairlead-peer-forwards-[ab])$/;
const startedAt = new Date();

interface Status {
  status?: { phase?: string; message?: string; conditions?: { type: string; status: string; reason: string }[] };
}
interface Slice {
  endpoints: { addresses: string[]; targetRef: { name: string } }[] | null;
}

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
    [origin, host] = await Promise.all([openAgent(a, "forwards-a"), openAgent(b, "forwards-b")]);
    await Promise.all([a, b].map((cluster) => cluster.kubectl(["create", "namespace", namespace])));
    // A server over there, and a pod here to ask from.
    await Promise.all([a, b].map((cluster) => cluster.kubectl(["apply", "-f", "-"], echoServer(namespace))));
    const services = [
      { namespace, name: "echo" },
      { namespace: "kube-system", name: "kube-dns", ports: [53] },
    ];
    await Promise.all([
      origin.install({ "forwards.namespaces[0]": namespace }),
      host.install(valuesAt("policies[0].spec.tunnels.services", services)),
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
  const spec = { peer: host.name, target: `service/${namespace}/echo`, ports, ...more };
  return JSON.stringify({ apiVersion: "fairlead.dev/v1alpha1", kind: "Forward", metadata: { name, namespace }, spec });
}

async function settles(name: string, phase: string): Promise<string> {
  let seen: Status["status"];
  const isSo = async (): Promise<boolean> => {
    seen = (await a.get<Status>(["forward", name, "-n", namespace])).status;
    return seen?.phase === phase;
  };
  await until(`${name} is ${phase}`, isSo, { seen: () => seen });
  return seen?.message ?? "";
}

/** What a pod of cluster A sees there. */
function fromPod(...command: readonly string[]): Promise<string> {
  return a.kubectl(["exec", "-n", namespace, "deploy/echo", "--", ...command]);
}

const asked = ["timeout", "10", "wget", "-q", "-O", "-", "http://there:8080/hello"];

/** Nodes take a moment to hear of a Service. */
async function answers(): Promise<void> {
  let seen = "";
  const isSo = async (): Promise<boolean> => {
    seen = await fromPod(...asked).catch(String);
    return seen.includes('"path":"/hello"') || seen.includes('"path": "/hello"');
  };
  await until("a pod reaches it by its name", isSo, { seconds: 60, seen: () => seen });
}

test("a pod reaches by DNS what the peer has, at each port, and kubectl shows how it is", {
  timeout: 180_000,
}, async () => {
  await a.kubectl(["apply", "-f", "-"], forward("there"));
  await settles("there", "Ready");
  await answers();
  let said = "";
  const isEchoed = async (): Promise<boolean> => {
    said = await fromPod("sh", "-c", "echo ahoy | timeout 5 echo-server dial tcp there:9000").catch(String);
    return said.includes("ahoy");
  };
  await until("the other port answers as well", isEchoed, { seen: () => said });
  const shown = await a.kubectl(["get", "forwards", "-n", namespace]);
  assert.match(
    shown,
    /^NAME +DIRECTION +PEER +TARGET +PHASE +SERVICE +AGE\nthere +Forward +forwards-b +service\/\S+\/echo +Ready +there +\S+\n$/,
  );
  await until("it says that it was reached", async () => {
    const { status } = await a.get<Status>(["forward", "there", "-n", namespace]);
    return status?.conditions?.some(({ type, status }) => type === "Reached" && status === "True") ?? false;
  });
  const described = await a.kubectl(["describe", "forward", "there", "-n", namespace]);
  assert.match(described, /Normal +Ready/);
});

test("a pod resolves names of the peer's cluster by a Service with a port of UDP and one of TCP", {
  timeout: 180_000,
}, async () => {
  const ports = [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53 },
  ];
  await a.kubectl(["apply", "-f", "-"], forward("names", { target: "service/kube-system/kube-dns", ports }));
  await settles("names", "Ready");
  // A name that only the other cluster has.
  await b.kubectl(["create", "service", "clusterip", "only-there", "--tcp=80", "-n", namespace]);
  const { spec } = await b.get<{ spec: { clusterIP: string } }>(["service", "only-there", "-n", namespace]);
  const name = `only-there.${namespace}.svc.cluster.local`;
  let seen = "";
  const isResolved = async (): Promise<boolean> => {
    seen = await fromPod("timeout", "10", "nslookup", "-type=a", name, `names.${namespace}`).catch(String);
    return seen.includes(spec.clusterIP);
  };
  await until("the pod has the address", isResolved, { seconds: 60, seen: () => seen });
  const listed = await origin.cli(["forward", "list", "-n", namespace]);
  assert.match(
    listed,
    /^\S+ +names +Forward +forwards-b +service\/kube-system\/kube-dns +names +53\/UDP,53\/TCP +Ready /m,
  );
  await a.kubectl(["delete", "forward", "names", "-n", namespace]);
});

test("when the agent's pod is killed the Service leads to the next one", { timeout: 180_000 }, async () => {
  const slice = ["endpointslice", "there-fairlead", "-n", namespace];
  const before = await a.get<Slice>(slice);
  await origin.killPod();
  await connected(origin, host);
  await until("the EndpointSlice names another pod", async () => {
    const now = (await a.get<Slice>(slice)).endpoints?.[0];
    return now !== undefined && now.targetRef.name !== before.endpoints?.[0]?.targetRef.name;
  });
  await answers();
});

test("a Service that is another's stays as it is, and what others change of a Forward's is put back", {
  timeout: 180_000,
}, async () => {
  await a.kubectl(["apply", "-f", "-"], forward("echo"));
  assert.match(await settles("echo", "Waiting"), /There is a Service echo in \S+ already/);
  await a.kubectl(["delete", "forward", "echo", "-n", namespace]);
  const patch = ["patch", "service", "there", "-n", namespace, "--type=merge", "-p"];
  await a.kubectl([...patch, '{"spec":{"selector":{"app":"mallory"}}}']);
  await until(
    "nothing is selected",
    async () => !(await a.get<{ spec: { selector?: object } }>(["service", "there", "-n", namespace])).spec.selector,
    { seconds: 60 },
  );
});

test("the cluster keeps the agent from any other Service and EndpointSlice, also where it may write", {
  timeout: 120_000,
}, async () => {
  const agent = `--as=system:serviceaccount:${releaseNamespace}:fairlead`;
  const mark = { "app.kubernetes.io/managed-by": "fairlead", "fairlead.dev/forward": "u" };
  const ports = [{ name: "p", port: 80, targetPort: 20_000 }];
  const service = (labels: object, spec: object) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "odd", namespace, labels },
    spec: { ports, ...spec },
  });
  const slice = (endpoint: object, port: number) => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "odd",
      namespace,
      labels: {
        ...mark,
        "kubernetes.io/service-name": "odd",
        "endpointslice.kubernetes.io/managed-by": "fairlead.dev",
      },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.1.2.3"], ...endpoint }],
    ports: [{ name: "p", port, protocol: "TCP" }],
  });
  const own = { targetRef: { kind: "Pod", namespace: releaseNamespace, name: "fairlead-1" } };
  for (const [object, why] of [
    [service({}, {}), /no Service and no EndpointSlice but those of Forwards/],
    [service(mark, { selector: { app: "echo" } }), /ClusterIP, and selects no pods/],
    [service(mark, { type: "NodePort" }), /ClusterIP, and selects no pods/],
    [service(mark, { externalIPs: ["10.1.2.3"] }), /ClusterIP, and selects no pods/],
    [slice({}, 20_000), /leads to the agent's own pod/],
    [slice({ targetRef: { kind: "Pod", namespace, name: "echo-1" } }, 20_000), /leads to the agent's own pod/],
    [slice(own, 22), /leads to ports 20000-20999/],
  ] as const) {
    const create = a.kubectl([agent, "create", "--dry-run=server", "-f", "-"], JSON.stringify(object));
    await assert.rejects(create, why, JSON.stringify(object));
  }
  const theirs = ["delete", "service", "echo", "-n", namespace, "--dry-run=server"];
  await assert.rejects(a.kubectl([agent, ...theirs]), /changes and deletes no Service/);
  await a.kubectl([agent, "create", "--dry-run=server", "-f", "-"], JSON.stringify(slice(own, 20_000)));
});

test("what belongs to a Forward goes with it, and each right for that was used", { timeout: 120_000 }, async (t) => {
  // What an earlier Forward of the name has left is deleted.
  await a.kubectl(["delete", "forward", "there", "-n", namespace, "--cascade=orphan"]);
  await origin.cli(["forward", "create", "-f", "-", "--dry-run"], forward("there"));
  await origin.cli(["forward", "create", "-f", "-"], forward("there"));
  await settles("there", "Ready");
  await answers();
  await origin.cli(["forward", "delete", "there", "-n", namespace]);
  await until("nothing of it is left", async () => {
    const left = await a.kubectl(["get", "services,endpointslices", "-n", namespace, "-o", "name"]);
    return !left.includes("there");
  });
  const used = await usedRights(startedAt);
  if (!used) {
    t.diagnostic("AUDIT_LOG_A and AUDIT_LOG_B do not say where the audit logs are");
    return;
  }
  const given = await rightsOf(a, [["role", "fairlead-forwards", "-n", namespace]]);
  assert.deepEqual(
    given.filter((right) => !used.has(right)),
    [],
  );
});
