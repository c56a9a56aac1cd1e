/** Kubelets, as a real one has it: who it proves to be, what it is asked for by which right, and what none of these rights reaches. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { createKubeletToken } from "../../src/kube/kubelet-token.ts";
import { createKubelets, type KubeletTrust } from "../../src/kube/kubelets.ts";
import { createNodeLook, type KubeletPlace } from "../../src/kube/node-list.ts";
import { selfSignedCertificate } from "../../src/sandbox/certificate.ts";
import { type Api, connectApi, type Json } from "./api.ts";

const kubeconfig = process.env.KUBECONFIG_A;
if (!kubeconfig) throw new Error("KUBECONFIG_A must name the kubeconfig of a cluster to test against");

const namespace = `contract-${randomBytes(4).toString("hex")}`;
const rights = "/apis/rbac.authorization.k8s.io/v1";
const made: string[] = [];
/** By the rights that the account has. */
const accounts = new Map<string, string>();

let api: Api;
let kube: KubeConnection;
let node: string;
let place: KubeletPlace;

before(async () => {
  api = connectApi(await readFile(kubeconfig, "utf8"));
  kube = await connectKube({ kubeconfig, context: undefined, clock: systemClock });
  await make("/api/v1/namespaces", { metadata: { name: namespace } });
  const look = createNodeLook({ client: kube.client, isKeptOut: () => false, clock: systemClock });
  const { nodes } = await look.list(AbortSignal.timeout(30_000));
  const ready = nodes.find((one) => one.ready && one.kubelet);
  assert.ok(ready?.kubelet, "there is a node that is ready, and says where its kubelet is");
  node = ready.name;
  place = ready.kubelet;
  assert.deepEqual((await look.find(node, AbortSignal.timeout(30_000)))?.kubelet, place);
});
after(async () => {
  for (const path of made) await api.ask("DELETE", path);
  await api.ask("DELETE", `/api/v1/namespaces/${namespace}`);
  kube.close();
  api.close();
});

async function make(path: string, body: Json): Promise<void> {
  const { status, body: answer } = await api.ask("POST", path, { body });
  assert.equal(status, 201, answer.message);
}

/** An account with these rights from its first moment, since kubelets remember what they refused. */
async function accountWith(...subresources: string[]): Promise<string> {
  const key = subresources.join();
  const before = accounts.get(key);
  if (before !== undefined) return before;
  const account = `reader-${accounts.size}`;
  const name = `${namespace}-${account}`;
  const resources = subresources.map((one) => `nodes/${one}`);
  await make(`${rights}/clusterroles`, { metadata: { name }, rules: [{ apiGroups: [""], resources, verbs: ["get"] }] });
  made.push(`${rights}/clusterroles/${name}`);
  await make(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: account } });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name };
  const subjects = [{ kind: "ServiceAccount", name: account, namespace }];
  await make(`${rights}/clusterrolebindings`, { metadata: { name }, roleRef, subjects });
  made.push(`${rights}/clusterrolebindings/${name}`);
  accounts.set(key, account);
  // Until the API server that the kubelet asks knows of them.
  const review = {
    user: `system:serviceaccount:${namespace}:${account}`,
    resourceAttributes: resourceOf(subresources[0]),
  };
  const deadline = Date.now() + 30_000;
  for (;;) {
    const { body } = await api.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
      body: { spec: review },
    });
    if (body.status?.allowed === true) return account;
    assert.ok(Date.now() < deadline, "the rights never count");
    await setTimeout(100);
  }
}

function resourceOf(subresource = ""): Json {
  return { verb: "get", resource: "nodes", subresource, name: node };
}

function tokenOf(serviceAccount: string): Promise<string> {
  const { requests } = kube;
  return createKubeletToken({ requests, namespace, serviceAccount, clock: systemClock })(AbortSignal.timeout(30_000));
}

async function read(serviceAccount: string, path: string, trust: KubeletTrust = "cluster") {
  const { clusterCa } = kube;
  const token = () => tokenOf(serviceAccount);
  const kubelets = createKubelets({ token, trust, clusterCa, clock: systemClock });
  try {
    const { status, body } = await kubelets.get(place, { path, headers: {} }, AbortSignal.timeout(30_000));
    return { status, text: Buffer.concat(await body.toArray()).toString() };
  } finally {
    kubelets.close();
  }
}

const readable: readonly (readonly [path: string, right: string, says: RegExp])[] = [
  ["/metrics", "metrics", /^kubelet_running_pods /m],
  ["/metrics/cadvisor", "metrics", /^container_cpu_usage_seconds_total\{/m],
  ["/metrics/resource", "metrics", /^node_memory_working_set_bytes /m],
  ["/metrics/probes", "metrics", /^/],
  ["/stats/summary", "stats", /"nodeName"/],
  ["/stats/summary?only_cpu_and_memory=true", "stats", /"nodeName"/],
  ["/healthz", "healthz", /^ok$/],
];

test("a kubelet tells each thing by one of three rights, and by none of the others", async () => {
  for (const right of ["metrics", "stats", "healthz"]) {
    const account = await accountWith(right);
    for (const [path, wanted, says] of readable) {
      const { status, text } = await read(account, path);
      assert.equal(status, wanted === right ? 200 : 403, `${path} by nodes/${right}`);
      if (status === 200) assert.match(text, says);
    }
  }
});

test("with all three nothing can be run, changed or configured, and no pods, logs or secrets are read", async () => {
  const account = await accountWith("metrics", "stats", "healthz");
  for (const path of [
    "/pods",
    "/runningpods/",
    "/configz",
    "/logs/",
    "/containerLogs/kube-system/x/x",
    "/exec/kube-system/x/x?command=id&output=1",
    "/attach/kube-system/x/x",
    "/portForward/kube-system/x",
    "/run/kube-system/x/x",
    "/checkpoint/kube-system/x/x",
    "/debug/pprof/",
  ]) {
    assert.equal((await read(account, path)).status, 403, path);
  }
});

test("the API server's own way to kubelets opens none of it to these rights: it asks for nodes/proxy, by which all of it is open", async () => {
  const token = await tokenOf(await accountWith("metrics", "stats", "healthz"));
  const proxied = await tokenOf(await accountWith("proxy"));
  for (const path of ["healthz", "metrics", "metrics/cadvisor", "stats/summary", "pods"]) {
    const through = `/api/v1/nodes/${node}/proxy/${path}`;
    assert.equal((await api.ask("GET", through, { token })).status, 403, path);
    assert.equal((await api.ask("GET", through, { token: proxied })).status, 200, path);
  }
});

test("an account without any right is refused, and one that there is not gets no token", async () => {
  await make(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: "nobody" } });
  assert.equal((await read("nobody", "/metrics")).status, 403);
  await assert.rejects(read("none", "/metrics"), (error) => error instanceof KubeError && error.reason === "NoToken");
});

test("a kubelet that does not verify under the CA that is named is asked nothing", async () => {
  const account = await accountWith("metrics", "stats", "healthz");
  const { certPem } = selfSignedCertificate(Date.now());
  await assert.rejects(
    read(account, "/healthz", { ca: certPem }),
    (error) => error instanceof KubeError && error.reason === "Untrusted",
  );
  assert.equal((await read(account, "/healthz", "none")).status, 200);
});
