/**
 * What the agent may not do, tried with its own token: on a cluster with the chart installed and one peer's namespace as the
 * agent makes it. RBAC refuses most; what RBAC cannot tell apart, the ValidatingAdmissionPolicy does.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Cluster, openCluster } from "./clusters.ts";
import { run } from "./command.ts";
import { clean, openAgent, releaseNamespace } from "./installed.ts";
import { until } from "./until.ts";

const home = "fairlead-peer-rights";
const strangers = "fairlead-peer-strangers";
const ours = /^(fairlead-chart|fairlead-peer-(rights|strangers|new))$/;
const folder = mkdtempSync(join(tmpdir(), "fairlead-rights-"));

let a: Cluster;
let asAgent: (args: readonly string[], input?: string) => Promise<{ code: number | null; said: string }>;

before(
  async () => {
    a = openCluster("a");
    await clean(a, ours);
    await (await openAgent(a, "rights")).install();
    await a.kubectl(["create", "namespace", strangers]);
    asAgent = await speakAsAgent();
  },
  { timeout: 240_000 },
);

after(
  async () => {
    rmSync(folder, { recursive: true, force: true });
    await clean(a, ours);
  },
  { timeout: 120_000 },
);

/** kubectl with the token of the agent's ServiceAccount and nothing else. */
async function speakAsAgent(): Promise<typeof asAgent> {
  const token = (await a.kubectl(["create", "token", "fairlead", "-n", releaseNamespace])).trim();
  const config = JSON.parse(await a.kubectl(["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]));
  config.users = config.users.map(({ name }: { name: string }) => ({ name, user: { token } }));
  const file = join(folder, "kubeconfig");
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return async (args, input) => {
    const env = { KUBECONFIG: file };
    const { code, stdout, stderr } = await run(process.env.KUBECTL ?? "kubectl", args, {
      env,
      ...(input !== undefined && { input }),
    });
    return { code, said: stdout + stderr };
  };
}

const marks = {
  "app.kubernetes.io/managed-by": "fairlead",
  "fairlead.dev/peer-fingerprint": "f".repeat(63),
  "pod-security.kubernetes.io/enforce": "baseline",
};
const namespaceOf = (name: string, labels: object): string =>
  JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
const bindingOf = (namespace: string, role: string, subject: object = self): string =>
  JSON.stringify({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: role, namespace },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: [subject],
  });
const self = { kind: "ServiceAccount", name: "fairlead", namespace: releaseNamespace };
const create = ["create", "-f", "-"];
const patch = (what: string, to: object): string[] => [
  "patch",
  ...what.split(" "),
  "--type=merge",
  "-p",
  JSON.stringify(to),
];

test("it makes a peer's namespace and its own rights there, as it has to", { timeout: 60_000 }, async () => {
  await until("the policy is in force", async () => {
    const { said } = await asAgent([...create, "--dry-run=server"], namespaceOf("evil", marks));
    return /no namespace but those of its peers/.test(said);
  });
  const made = await asAgent(create, namespaceOf(home, marks));
  assert.equal(made.code, 0, made.said);
  const bound = await asAgent(create, bindingOf(home, "fairlead-tenant"));
  assert.equal(bound.code, 0, bound.said);
  await until(
    "it may list Deployments there",
    async () => (await asAgent(["get", "deployments", "-n", home])).code === 0,
  );
});

const forbidden = /forbidden|cannot/i;
const attempts: { name: string; args: string[]; input?: string; says?: RegExp }[] = [
  { name: "read all Secrets", args: ["get", "secrets", "-A"] },
  { name: "read Secrets of the system", args: ["get", "secrets", "-n", "kube-system"] },
  {
    name: "change a Secret of a tenant otherwise than by a patch",
    args: ["auth", "can-i", "update", "secrets", "-n", home],
    says: /^no/,
  },
  { name: "read Secrets where RemoteApps are, unasked", args: ["get", "secrets", "-n", "default"] },
  { name: "read all Deployments", args: ["get", "deployments", "-A"] },
  { name: "read all Pods", args: ["get", "pods", "-A"] },
  { name: "read all Services", args: ["get", "services", "-A"] },
  { name: "read ConfigMaps", args: ["get", "configmaps", "-n", releaseNamespace] },
  { name: "change its own settings", args: patch(`configmap fairlead -n ${releaseNamespace}`, { data: {} }) },
  {
    name: "write a policy outside its own namespace",
    args: create,
    input: JSON.stringify({
      apiVersion: "fairlead.dev/v1alpha1",
      kind: "PeerPolicy",
      metadata: { name: "x", namespace: "default" },
      spec: { workloads: { accept: true } },
    }),
  },
  { name: "bound other people", args: ["create", "quota", "x", "--hard=pods=0", "-n", releaseNamespace] },
  { name: "see all NetworkPolicies", args: ["get", "networkpolicies", "-A"] },
  { name: "see other EndpointSlices", args: ["get", "endpointslices", "-n", "default"] },
  { name: "change nodes", args: ["label", "nodes", "--all", "x=y"] },
  { name: "make a Deployment at home", args: ["create", "deployment", "x", "--image=x", "-n", releaseNamespace] },
  { name: "make a Pod of a tenant", args: ["run", "x", "--image=x", "-n", home] },
  { name: "make a ServiceAccount's token", args: ["create", "token", "default", "-n", home] },
  {
    name: "bind a role cluster-wide",
    args: ["create", "clusterrolebinding", "x", "--clusterrole=fairlead-tenant", "--user=x"],
  },
  { name: "change its own role", args: patch("clusterrole fairlead-agent", { rules: [] }) },
  {
    name: "change the policy",
    args: patch("validatingadmissionpolicy fairlead-agent", { spec: { failurePolicy: "Ignore" } }),
  },
  { name: "be somebody else", args: ["get", "peers", "-n", releaseNamespace, "--as=admin"] },
  { name: "delete a namespace", args: ["delete", "namespace", home] },
  {
    name: "bind cluster-admin to itself in a tenant's namespace",
    args: create,
    input: bindingOf(home, "cluster-admin"),
  },
  { name: "bind a role with Secrets there", args: create, input: bindingOf(home, "edit") },
  {
    name: "bind its tenants' role in the system's namespace",
    args: create,
    input: bindingOf("kube-system", "fairlead-tenant"),
    says: /binds roles in the namespaces of its peers only/,
  },
  {
    name: "bind it at home",
    args: create,
    input: bindingOf(releaseNamespace, "fairlead-tenant"),
    says: /binds roles in the namespaces of its peers only/,
  },
  {
    name: "bind it in a namespace of that prefix which somebody else made",
    args: create,
    input: bindingOf(strangers, "fairlead-tenant"),
    says: /binds roles in the namespaces of its peers only/,
  },
  {
    name: "bind it to somebody else",
    args: ["apply", "--server-side", "--force-conflicts", "-f", "-"],
    input: bindingOf(home, "fairlead-tenant", { kind: "ServiceAccount", name: "default", namespace: home }),
    says: /nothing else to nobody else/,
  },
  {
    name: "make a namespace of another name",
    args: create,
    input: namespaceOf("evil", marks),
    says: /no namespace but those of its peers/,
  },
  {
    name: "make a privileged one",
    args: create,
    input: namespaceOf("fairlead-peer-new", { ...marks, "pod-security.kubernetes.io/enforce": "privileged" }),
    says: /Pod Security level/,
  },
  {
    name: "change the system's namespace",
    args: patch("namespace kube-system", { metadata: { labels: marks } }),
    says: /no namespace but those of its peers/,
  },
  {
    name: "take over a namespace of that prefix",
    args: patch(`namespace ${strangers}`, { metadata: { labels: marks } }),
    says: /takes over no namespace/,
  },
  {
    name: "weaken a tenant's Pod Security",
    args: patch(`namespace ${home}`, { metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged" } } }),
    says: /Pod Security level/,
  },
  {
    name: "give a tenant's namespace to another peer",
    args: patch(`namespace ${home}`, { metadata: { labels: { "fairlead.dev/peer-fingerprint": "e".repeat(63) } } }),
    says: /changes no peer's mark/,
  },
];

for (const { name, args, input, says = forbidden } of attempts) {
  test(`its own token does not let it ${name}`, { timeout: 60_000 }, async () => {
    const { code, said } = await asAgent(args, input);
    assert.notEqual(code, 0, said);
    assert.match(said, says);
  });
}

test("kubectl auth can-i --list names what docs/rbac.md does, and nothing else", { timeout: 60_000 }, async () => {
  const list = async (namespace: string): Promise<string[]> => {
    const { said } = await asAgent(["auth", "can-i", "--list", "-n", namespace]);
    return said
      .split("\n")
      .slice(1)
      .map((line) => /^(\S+)\s+\[([^\]]*)\]\s+\[([^\]]*)\]\s+\[([^\]]*)\]$/.exec(line.trim()))
      .filter((found) => found !== null)
      .map(
        ([, resource, , names, verbs]) =>
          `${resource}${names ? ` (${names})` : ""}: ${verbs?.split(" ").sort().join(" ")}`,
      )
      .filter((line) => !/^selfsubject/.test(line)) // What anybody may ask about themselves.
      .sort();
  };
  const everywhere = [
    "clusterroles.rbac.authorization.k8s.io (fairlead-tenant): bind",
    "controllerrevisions.apps: create delete list patch watch",
    "events.events.k8s.io: create patch",
    "forwards.fairlead.dev/status: patch",
    "forwards.fairlead.dev: get list watch",
    "namespaces: create get list patch watch",
    "nodes: list",
    "remoteapps.fairlead.dev/status: patch",
    "remoteapps.fairlead.dev: create delete get list patch watch",
    "rolebindings.rbac.authorization.k8s.io: create patch",
    "workloads.fairlead.dev: get list watch",
  ];
  const apiServer = "endpointslices.discovery.k8s.io (kubernetes): list watch";
  assert.deepEqual(await list("default"), [...everywhere, apiServer].sort());
  const audit = Array.from({ length: 21 }, (_, place) => `fairlead-audit-${String(place).padStart(2, "0")}`);
  const home_ = [
    ...[...audit, "fairlead-notifications"].map((name) => `configmaps (${name}): get update`),
    "configmaps: create",
    "peerpolicies.fairlead.dev/status: patch",
    "peerpolicies.fairlead.dev: create delete get list patch watch",
    "peers.fairlead.dev/status: patch",
    "peers.fairlead.dev: create get list update watch",
    "secrets: create delete get list update watch",
  ];
  assert.deepEqual(await list(releaseNamespace), [...everywhere, ...home_].sort());
  const tenant = await list(home);
  for (const line of [
    "deployments.apps: create list patch update watch",
    "configmaps: create delete list patch watch",
    "limitranges: create delete list patch watch",
    "networkpolicies.networking.k8s.io: create list patch watch",
    "pods/exec: create get",
    "pods/log: get",
    "pods: delete list watch",
    "resourcequotas: create delete list patch update watch",
    "secrets: create delete list patch watch",
    "services: create delete list patch watch",
    "workloads.fairlead.dev/status: patch",
  ]) {
    assert.ok(tenant.includes(line), `${line} in ${tenant.join("; ")}`);
  }
  assert.ok(
    tenant.every((line) => !/\*/.test(line)),
    tenant.join("; "),
  );
});
