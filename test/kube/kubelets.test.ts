/** Kubelets: where nodes say that they are, who they have to be, and what they are shown. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { createKubeletToken } from "../../src/kube/kubelet-token.ts";
import { createKubelets, type KubeletsDeps } from "../../src/kube/kubelets.ts";
import { createNodeLook } from "../../src/kube/node-list.ts";
import type { ApiRequest } from "../../src/kube/requests.ts";
import type { Node } from "../../src/kube/resources.ts";
import { selfSignedCertificate } from "../../src/sandbox/certificate.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { patience } from "../patience.ts";

/** As an API server writes it. */
function node(name: string, status: object, labels: Record<string, string> = {}): Node {
  const object: Node = { metadata: { name, labels } };
  return Object.assign(object, { status: JSON.parse(JSON.stringify(status)) });
}

const at = (Port: number, ...addresses: [type: string, address: string][]) => ({
  addresses: addresses.map(([type, address]) => ({ type, address })),
  daemonEndpoints: { kubeletEndpoint: { Port } },
});

function lookAt(...there: Node[]) {
  const asked: string[] = [];
  const clock = createFakeClock();
  const client = {
    async get(_kind: unknown, { name }: { name: string }) {
      asked.push(name);
      return there.find(({ metadata }) => metadata.name === name);
    },
    async list() {
      asked.push("*");
      return { items: there, resourceVersion: "1" };
    },
  };
  const isKeptOut = (address: string, port: number) => address.startsWith("169.254.") || port === 6443;
  // Both verbs are of any kind, and nodes are what is asked for here.
  const look = createNodeLook({ client: client as Pick<KubeClient, "get" | "list">, isKeptOut, clock });
  return { look, asked, clock };
}

test("a kubelet is at the first internal address of its node to which a peer may be led, at the port that the node says", async () => {
  const { look } = lookAt(
    node("one", at(10250, ["Hostname", "one"], ["InternalIP", "10.0.0.1"], ["InternalIP", "fd00::1"]), { zone: "x" }),
    node("two", at(10251, ["InternalIP", "169.254.1.1"], ["InternalIP", "fd00::2"], ["ExternalIP", "192.0.2.1"])),
    node("liar", at(6443, ["InternalIP", "10.0.0.1"])),
    node("inward", at(10250, ["InternalIP", "169.254.169.254"])),
    node("outside", at(10250, ["ExternalIP", "192.0.2.1"])),
    node("silent", { addresses: [{ type: "InternalIP", address: "10.0.0.4" }] }),
    node("odd", at(70_000, ["InternalIP", "10.0.0.4"])),
    node("new", {}),
    node("well", { ...at(1, ["InternalIP", "10.0.0.5"]), conditions: [{ type: "Ready", status: "True" }] }),
    node("ill", { ...at(1, ["InternalIP", "10.0.0.5"]), conditions: [{ type: "Ready", status: "Unknown" }] }),
  );
  const { nodes, isCut } = await look.list(patience());
  assert.equal(isCut, false);
  assert.deepEqual(
    nodes.map(({ name, kubelet, ready }) => `${name} ${kubelet ? `${kubelet.address} ${kubelet.port}` : "-"} ${ready}`),
    [
      "one 10.0.0.1 10250 false",
      "two fd00::2 10251 false",
      "liar - false",
      "inward - false",
      "outside - false",
      "silent - false",
      "odd - false",
      "new - false",
      "well 10.0.0.5 1 true",
      "ill 10.0.0.5 1 false",
    ],
  );
  assert.deepEqual((await look.find("one", patience()))?.labels, { zone: "x" });
  assert.equal(await look.find("none", patience()), undefined);
});

test("what was looked at is good for five seconds, so that many who ask are one question", async () => {
  const { look, asked, clock } = lookAt(node("one", {}));
  await Promise.all([look.find("one", patience()), look.find("one", patience()), look.list(patience())]);
  await look.list(patience());
  assert.deepEqual(asked, ["one", "*"]);
  await clock.advance(5_001);
  await look.find("one", patience());
  assert.deepEqual(asked, ["one", "*", "one"]);
});

test("the token is that of a ServiceAccount of its own and lasts ten minutes, of which it is used for five", async () => {
  const clock = createFakeClock();
  const asked: ApiRequest[] = [];
  let fails = true;
  const requests = {
    async json(request: ApiRequest) {
      asked.push(request);
      if (fails) throw new KubeError({ status: 403, reason: "Forbidden", message: "no" });
      return { status: { token: `t${asked.length}` } };
    },
  };
  const token = createKubeletToken({ requests, namespace: "ship", serviceAccount: "fairlead-nodes", clock });
  await assert.rejects(token(patience()), /no/);
  fails = false;
  assert.deepEqual(await Promise.all([token(patience()), token(patience())]), ["t2", "t2"]);
  await clock.advance(299_000);
  assert.equal(await token(patience()), "t2");
  await clock.advance(2_000);
  assert.equal(await token(patience()), "t3");
  assert.deepEqual(
    asked.map(({ method, path }) => `${method} ${path}`),
    Array.from({ length: 3 }, () => "POST /api/v1/namespaces/ship/serviceaccounts/fairlead-nodes/token"),
  );
  assert.deepEqual(asked[0]?.body, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 600 },
  });
});

test("an answer without a token is an error that does not quote it", async () => {
  const requests = { json: async () => ({ status: { secret: "s3cret" } }) };
  const deps = { requests, namespace: "ship", serviceAccount: "fairlead-nodes", clock: createFakeClock() };
  await assert.rejects(createKubeletToken(deps)(patience()), (error) => {
    assert.ok(error instanceof KubeError && !error.message.includes("s3cret"));
    return error.reason === "Garbled";
  });
});

/** A kubelet on loopback that notes all that it is shown. */
async function startKubelet(host: string) {
  const own = selfSignedCertificate(Date.now());
  const seen: string[] = [];
  const server = createServer({ key: own.keyPem, cert: own.certPem }, ({ method, url, headers }, response) => {
    seen.push(`${method} ${url} ${headers.authorization} ${headers.accept} ${headers["accept-encoding"]}`);
    response.end("up 1\n");
  });
  let bytes = 0;
  server.on("secureConnection", (socket) => socket.on("data", (chunk: Buffer) => (bytes += chunk.length)));
  server.on("tlsClientError", () => undefined);
  server.listen(0, host);
  await once(server, "listening");
  after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { place: { address: host, port }, ca: own.certPem, seen, bytes: () => bytes };
}

function kubelets(more: Partial<KubeletsDeps>) {
  const made = createKubelets({
    token: async () => "short-lived",
    trust: "cluster",
    clusterCa: async () => undefined,
    clock: createFakeClock(),
    ...more,
  });
  after(() => made.close());
  return made;
}

const request = { path: "/metrics", headers: { "accept-encoding": "gzip" } };

test("a kubelet that proves its address under the cluster's CA, or the one that is named, is asked with the token", async () => {
  const { place, ca, seen } = await startKubelet("127.0.0.1");
  const token = async () => "short-lived";
  for (const trusting of [{ clusterCa: async () => ca }, { trust: { ca } }, { trust: "none" as const }]) {
    const { status, body } = await kubelets({ token, ...trusting }).get(place, request, patience());
    assert.deepEqual([status, Buffer.concat(await body.toArray()).toString()], [200, "up 1\n"]);
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 3 }, () => "GET /metrics Bearer short-lived */* gzip"),
  );
});

test("whoever does not prove to be the kubelet at this address is shown no token, and not a byte", async () => {
  const other = selfSignedCertificate(Date.now()).certPem;
  const impostor = await startKubelet("127.0.0.1");
  const elsewhere = await startKubelet("127.0.0.2"); // Its certificate is for 127.0.0.1.
  for (const [to, trusting] of [
    [impostor, { clusterCa: async () => other }],
    [impostor, { trust: { ca: other } }],
    [impostor, { clusterCa: async () => undefined }],
    [impostor, { trust: { ca: "" } }],
    [elsewhere, { clusterCa: async () => elsewhere.ca }],
  ] as const) {
    await assert.rejects(
      kubelets(trusting).get(to.place, request, patience()),
      (error) => error instanceof KubeError && error.reason === "Untrusted",
    );
  }
  const unknown = kubelets({ clusterCa: async () => undefined }).get(impostor.place, request, patience());
  await assert.rejects(unknown, /knows no CA of its cluster/, "the public roots vouch for no kubelet");
  for (const { seen, bytes } of [impostor, elsewhere]) assert.deepEqual([seen, bytes()], [[], 0]);
});

test("without a token nobody is asked", async () => {
  const { place, ca, seen } = await startKubelet("127.0.0.1");
  const token = () => Promise.reject(new KubeError({ status: 403, reason: "Forbidden", message: "no" }));
  await assert.rejects(
    kubelets({ token, trust: { ca } }).get(place, request, patience()),
    (error) => error instanceof KubeError && error.reason === "NoToken",
  );
  assert.deepEqual(seen, []);
});
