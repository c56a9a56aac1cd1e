/** Routes into a cluster, as a real API server has them: its own Ingresses, and kinds of the Gateway API that come and go. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import { createListRoutes } from "../../src/kube/route-list.ts";
import { chooseRoute } from "../../src/tunnel/route-choice.ts";
import { type Api, connectApi, type Json } from "./api.ts";

const kubeconfig = process.env.KUBECONFIG_A;
if (!kubeconfig) throw new Error("KUBECONFIG_A must name the kubeconfig of a cluster to test against");

const group = "gateway.networking.k8s.io";
const namespace = `contract-${randomBytes(4).toString("hex")}`;
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/** What was made here; a cluster that has the Gateway API keeps its own. */
const made: string[] = [];

let api: Api;
let kube: KubeConnection;

before(async () => {
  api = connectApi(await readFile(kubeconfig, "utf8"));
  kube = await connectKube({ kubeconfig, context: undefined, clock: systemClock });
  await make("/api/v1/namespaces", { metadata: { name: namespace } });
});
after(async () => {
  for (const name of made) await api.ask("DELETE", `${definitions}/${name}`);
  await api.ask("DELETE", `/api/v1/namespaces/${namespace}`);
  kube.close();
  api.close();
});

async function make(path: string, body: Json): Promise<number> {
  const { status, body: answer } = await api.ask("POST", path, { body });
  assert.ok(status === 201 || status === 409, answer.message);
  return status;
}

/** As short as a definition can be; names of this group are for who has had them approved, or says that they are not. */
async function define(plural: string, kind: string, version: string): Promise<void> {
  const name = `${plural}.${group}`;
  const annotations = { "api-approved.kubernetes.io": "unapproved, experimental-only" };
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  const names = { plural, kind, singular: kind.toLowerCase(), listKind: `${kind}List` };
  const versions = [{ name: version, served: true, storage: true, schema }];
  const spec = { group, names, scope: "Namespaced", versions };
  if ((await make(definitions, { metadata: { name, annotations }, spec })) === 201) made.push(name);
}

/** Each look is a first one: what is known for a while is tried elsewhere. */
async function hosts(): Promise<string[]> {
  const list = createListRoutes({ client: kube.client, requests: kube.requests, clock: systemClock });
  const { entries } = await list(namespace, AbortSignal.timeout(30_000));
  return entries
    .map(({ kind, host, backends }) => `${kind} ${host} ${backends.map(({ service, port }) => `${service}:${port}`)}`)
    .toSorted();
}

async function until(expected: string[]): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const seen = await hosts();
    if (seen.join() === expected.join() || Date.now() > deadline) return assert.deepEqual(seen, expected);
    await setTimeout(250);
  }
}

const backend = (name: string, port: Json): Json => ({ service: { name, port } });
const ingressOf = (host: string, ...paths: [string, Json][]): Json => ({
  host,
  http: { paths: paths.map(([path, to]) => ({ path, pathType: "Prefix", backend: to })) },
});

test("Ingresses are read as the API server gives them back, and a host that paths divide has no one Service", async () => {
  const one = ingressOf("shop.example.org", ["/", backend("web", { name: "http" })]);
  const split = ingressOf(
    "split.example.org",
    ["/", backend("web", { number: 80 })],
    ["/api", backend("api", { number: 8080 })],
  );
  const wild = ingressOf("*.wild.example.org", ["/", backend("web", { number: 80 })]);
  const spec = { rules: [one, split, wild], tls: [{ hosts: ["shop.example.org"], secretName: "tls" }] };
  await make(`/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`, { metadata: { name: "shop" }, spec });
  await until([
    "Ingress *.wild.example.org web:80",
    "Ingress shop.example.org web:http",
    "Ingress split.example.org web:80,api:8080",
  ]);
  const list = createListRoutes({ client: kube.client, requests: kube.requests, clock: systemClock });
  const { entries } = await list(namespace, AbortSignal.timeout(30_000));
  assert.deepEqual(chooseRoute(entries, "a.wild.example.org"), {
    ok: true,
    ways: [{ namespace, service: "web", port: 80 }],
  });
  const choice = chooseRoute(entries, "split.example.org");
  assert.ok(!choice.ok && choice.why === "divided");
});

test("kinds of the Gateway API are found when a cluster gets them, in the versions that it has, and not missed when they go", async () => {
  await define("httproutes", "HTTPRoute", "v1");
  await define("tcproutes", "TCPRoute", "v1alpha2");
  const to = (name: string, port: number): Json => ({ rules: [{ backendRefs: [{ name, port }] }] });
  const place = (version: string, plural: string): string =>
    `/apis/${group}/${version}/namespaces/${namespace}/${plural}`;
  const create = async (version: string, plural: string, kind: string, spec: Json): Promise<void> => {
    const body = { apiVersion: `${group}/${version}`, kind, metadata: { name: "r" }, spec };
    const deadline = Date.now() + 60_000;
    // A kind is served some moments after it was defined.
    while ((await api.ask("POST", place(version, plural), { body })).status !== 201) {
      assert.ok(Date.now() < deadline, `${plural} are never served`);
      await setTimeout(250);
    }
  };
  await create("v1", "httproutes", "HTTPRoute", { hostnames: ["gate.example.org"], ...to("web", 80) });
  await create("v1alpha2", "tcproutes", "TCPRoute", to("db", 5432));
  const ingresses = (await hosts()).filter((each) => each.startsWith("Ingress"));
  await until(["HTTPRoute gate.example.org web:80", ...ingresses, `TCPRoute r.${namespace} db:5432`]);
  if (made.length < 2) return;
  for (const name of made.splice(0)) await api.ask("DELETE", `${definitions}/${name}`);
  await until(ingresses);
});
