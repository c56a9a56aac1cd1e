import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { type RouteKind, readRoute } from "../../src/kube/route-entry.ts";
import { createListRoutes } from "../../src/kube/route-list.ts";
import { createFakeClock } from "../base/fake-clock.ts";

const never = new AbortController().signal;

function route(spec: JsonObject): JsonObject {
  return { metadata: { namespace: "shop", name: "web" }, spec };
}

/** `host -> service:port, service:port | problem`, a line for each host. */
function told(kind: RouteKind, spec: JsonObject): string[] {
  return readRoute(kind, route(spec)).map(({ host, backends, problem = "" }) =>
    `${host} -> ${backends.map(({ service, port }) => `${service}:${port}`).join(", ")} | ${problem}`.trim(),
  );
}

const path = (path: string, name: string, port: JsonObject, pathType = "Prefix") => ({
  path,
  pathType,
  backend: { service: { name, port } },
});

test("an Ingress leads to the Services of a host's paths, and to its default backend where no path takes the rest", () => {
  const web = path("/", "web", { number: 80 });
  const api = path("/api", "api", { name: "http" });
  const rest = { service: { name: "rest", port: { number: 1 } } };
  const rules = (...paths: JsonObject[]) => [{ host: "Shop.Example.org", http: { paths } }];
  assert.deepEqual(told("Ingress", { rules: rules(web) }), ["shop.example.org -> web:80 |"]);
  assert.deepEqual(told("Ingress", { rules: rules(web, api) }), ["shop.example.org -> web:80, api:http |"]);
  assert.deepEqual(told("Ingress", { rules: rules(api), defaultBackend: rest }), [
    "shop.example.org -> api:http, rest:1 |",
  ]);
  assert.deepEqual(told("Ingress", { rules: rules(web), defaultBackend: rest }), ["shop.example.org -> web:80 |"]);
  assert.deepEqual(told("Ingress", { rules: rules(path("/", "web", { number: 80 }, "Exact")), defaultBackend: rest }), [
    "shop.example.org -> web:80, rest:1 |",
  ]);
  assert.deepEqual(told("Ingress", { rules: [{ host: "*.a.org" }], defaultBackend: rest }), ["*.a.org -> rest:1 |"]);
  const twice = [...rules(web), ...rules(path("/b", "web", { number: 80 }))];
  assert.deepEqual(told("Ingress", { rules: twice }), ["shop.example.org -> web:80 |"]);
  const bucket = { path: "/", backend: { resource: { kind: "Bucket", name: "b" } } };
  assert.match(told("Ingress", { rules: rules(bucket) }).join(), /\| leads to something else than a Service$/);
  assert.deepEqual(told("Ingress", { rules: [{ http: { paths: [web] } }] }), [], "for all hosts is a name of none");
});

test("routes of the Gateway API lead to the Services of their rules, in their own namespace and without filters", () => {
  const to = (name: string, port: number, more: JsonObject = {}): JsonObject => ({ name, port, ...more });
  const spec = (...backendRefs: JsonObject[]): JsonObject => ({
    hostnames: ["a.example.org", "*.b.org"],
    rules: [{ backendRefs }],
  });
  assert.deepEqual(told("HTTPRoute", spec(to("web", 80))), ["a.example.org -> web:80 |", "*.b.org -> web:80 |"]);
  assert.deepEqual(told("TLSRoute", spec(to("web", 443))).length, 2);
  assert.deepEqual(told("TCPRoute", { rules: [{ backendRefs: [to("db", 5432)] }] }), ["web.shop -> db:5432 |"]);
  assert.match(told("HTTPRoute", spec(to("web", 80), to("canary", 80))).join(), /web:80, canary:80 \|/);
  assert.match(told("HTTPRoute", spec(to("web", 80), to("off", 80, { weight: 0 }))).join(), /-> web:80 \|/);
  assert.match(
    told("HTTPRoute", spec(to("web", 80, { namespace: "shop", kind: "Service", group: "" }))).join(),
    /web:80 \|,/,
  );
  for (const [ref, problem] of [
    [to("secrets", 80, { namespace: "kube-system" }), /of another namespace/],
    [to("web", 80, { kind: "ServiceImport", group: "multicluster.x-k8s.io" }), /something else/],
    [{ name: "web" }, /something else/],
    [to("web", 80, { filters: [{ type: "RequestHeaderModifier" }] }), /filters of its gateway/],
  ] as const) {
    assert.match(told("HTTPRoute", spec(ref)).join(), problem);
  }
  const redirect = { filters: [{ type: "RequestRedirect" }] };
  const rules = [redirect, { backendRefs: [to("web", 80)] }];
  assert.deepEqual(told("HTTPRoute", { hostnames: ["a.org"], rules }), ["a.org -> web:80 |"]);
});

test("what is no route, or half of one, is read as nothing and breaks nothing", () => {
  for (const kind of ["Ingress", "HTTPRoute", "TLSRoute", "TCPRoute"] as const) {
    for (const spec of [
      null,
      [],
      "x",
      { rules: null },
      { rules: [null, 1, { http: "x", backendRefs: {} }], hostnames: [1] },
    ]) {
      const entries = readRoute(kind, { metadata: { namespace: "shop", name: "web" }, spec });
      assert.ok(entries.every(({ backends }) => backends.length === 0));
    }
    assert.deepEqual(readRoute(kind, {}), []);
  }
});

/** A cluster that serves these resources by group version, with the same object of each kind in "shop". */
function cluster(served: Record<string, string[]>) {
  const asked: string[] = [];
  const forbidden = new Set<string>();
  const clock = createFakeClock();
  const missing = () => new KubeError({ status: 404, reason: "NotFound", message: "404 page not found" });
  const list = createListRoutes({
    clock,
    requests: {
      async json({ path }) {
        asked.push(path);
        const [, , , version] = path.split("/");
        if (version === undefined) {
          if (Object.keys(served).length === 0) throw missing();
          return { versions: Object.keys(served).map((one) => ({ version: one })) };
        }
        return { resources: (served[version] ?? []).flatMap((name) => [{ name }, { name: `${name}/status` }]) };
      },
    },
    client: {
      async list(kind, { namespace }) {
        asked.push(`${kind.group} ${kind.version} ${kind.plural} ${namespace}`);
        if (forbidden.has(kind.plural)) throw new KubeError({ status: 403, reason: "Forbidden", message: "no" });
        const backendRefs = [{ name: kind.plural, port: 1 }];
        const item = { metadata: { namespace, name: "web" }, spec: { hostnames: ["a.org"], rules: [{ backendRefs }] } };
        return { items: [kind.parse(JSON.parse(JSON.stringify(item)))], resourceVersion: "1" };
      },
    } satisfies Pick<KubeClient, "list">,
  });
  return { list: (namespace = "shop") => list(namespace, never), asked, forbidden, clock };
}

test("of each kind the best version that the cluster has is asked, and what it does not have is not missed", async () => {
  const { list, asked } = cluster({ v1: ["httproutes", "gateways"], v1beta1: ["httproutes"], v1alpha2: ["tcproutes"] });
  const { entries } = await list();
  assert.deepEqual(
    entries.map(({ kind, host }) => `${kind} ${host}`),
    ["HTTPRoute a.org", "TCPRoute web.shop"],
  );
  assert.ok(asked.includes("gateway.networking.k8s.io v1 httproutes shop"));
  assert.ok(asked.includes("gateway.networking.k8s.io v1alpha2 tcproutes shop"));
  assert.ok(!asked.join().includes("tlsroutes"));
  const before = asked.length;
  await Promise.all([list(), list()]);
  assert.equal(asked.length, before, "within five seconds it is known");
  await list("other");
  assert.equal(asked.length, before + 3, "and what kinds there are for longer");
  const none = cluster({});
  assert.deepEqual((await none.list()).entries, []);
});

test("a right that is missing is an error, for what cannot be seen may say otherwise", async () => {
  const { list, forbidden } = cluster({ v1: ["httproutes"] });
  forbidden.add("httproutes");
  await assert.rejects(list(), (error) => error instanceof KubeError && error.status === 403);
  forbidden.clear();
  assert.equal((await list()).entries.length, 1);
});
