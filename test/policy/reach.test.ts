import assert from "node:assert/strict";
import { test } from "node:test";
import { closedPolicy } from "../../src/policy/effective.ts";
import { permitPods, permitTunnel, type ReachPermission } from "../../src/policy/reach.ts";
import { type NamedTarget, targetName } from "../../src/wire/target-text.ts";
import { policyOf } from "./given.ts";

const now = Date.UTC(2026, 0, 1);
const app: NamedTarget = { kind: "app", namespace: "shop", name: "web" };
const db: NamedTarget = { kind: "service", namespace: "data", name: "db", port: 5432 };
const api: NamedTarget = { kind: "kubernetes" };
const address: NamedTarget = { kind: "address", name: "erp", port: 5432 };
const route: NamedTarget = { kind: "route", host: "a.example.org" };
const node: NamedTarget = { kind: "node", name: "worker-1" };
const metrics: NamedTarget = { kind: "metrics" };
const caller = { peer: "tokyo", grants: ["apps", "tunnels", "kubectl"] };

const routes = [{ namespaces: ["shop"], hosts: ["*.example.org"] }];
const nodes = [{ names: ["worker-*"] }];
const addresses = [{ name: "erp", host: "erp.example.org", ports: [5432] }];

function said(permission: ReachPermission): string {
  return permission.allowed ? "yes" : permission.rule;
}

test("each kind of target needs a grant of its own, and hears which is missing", () => {
  const policy = policyOf({
    tunnels: { kubernetes: true, metrics: true, services: [{ namespace: "data" }], addresses, routes, nodes },
  });
  for (const [target, grant] of [
    [address, "tunnels"],
    [route, "tunnels"],
    [node, "tunnels"],
    [metrics, "tunnels"],
    [app, "apps"],
    [db, "tunnels"],
    [api, "kubectl"],
  ] as const) {
    const others = caller.grants.filter((one) => one !== grant);
    const refused = permitTunnel({ peer: "tokyo", grants: others }, target, policy, [], now);
    assert.equal(said(refused), `grants/${grant}`);
    assert.match(refused.allowed ? "" : refused.message, new RegExp(`fairlead peer grant tokyo ${grant} --add`));
    assert.deepEqual(permitTunnel({ peer: "tokyo", grants: [grant] }, target, policy, [], now), { allowed: true });
  }
});

test("unless a policy says otherwise a peer reaches its own apps and nothing else", () => {
  const policy = policyOf();
  assert.equal(said(permitTunnel(caller, app, policy, [], now)), "yes");
  assert.equal(said(permitTunnel(caller, db, policy, [], now)), "tunnels/services");
  assert.equal(said(permitTunnel(caller, api, policy, [], now)), "tunnels/kubernetes");
  assert.equal(said(permitTunnel(caller, address, policy, [], now)), "tunnels/addresses");
  assert.equal(said(permitTunnel(caller, metrics, policy, [], now)), "tunnels/metrics");
  assert.equal(said(permitTunnel(caller, route, policy, [], now)), "tunnels/routes");
  assert.equal(said(permitTunnel(caller, node, policy, [], now)), "tunnels/nodes");
  assert.equal(said(permitTunnel(caller, app, policyOf({ tunnels: { apps: false } }), [], now)), "tunnels/apps");
});

test("a rule of routes without namespaces, or with what is no host, closes all", () => {
  for (const rule of [{ hosts: ["a.org"] }, { namespaces: ["shop"], hosts: ["a/b"] }, { namespaces: ["Shop"] }]) {
    const policy = policyOf({ tunnels: { routes: [rule] } });
    assert.match(policy.problems.join(), /spec\.tunnels\.routes\[0\]/);
    assert.equal(said(permitTunnel(caller, route, policy, [], now)), "policy/accept");
  }
});

test("a node is reached by its name, and by its labels as soon as they are known; a rule without names closes all", () => {
  const policy = policyOf({
    tunnels: { nodes: [{ names: ["worker-*"], labels: { pool: "guests" } }, { names: ["m1"] }] },
  });
  const reach = (name: string, labels?: Record<string, string>) =>
    said(permitTunnel(caller, { kind: "node", name, ...(labels && { labels }) }, policy, [], now));
  assert.equal(reach("worker-1"), "yes", "it has to be looked up");
  assert.equal(reach("worker-1", { pool: "guests", zone: "x" }), "yes");
  assert.equal(reach("m1", {}), "yes");
  for (const labels of [{}, { pool: "own" }, { pool: "" }, { Pool: "guests" }]) {
    assert.equal(reach("worker-1", labels), "tunnels/nodes");
  }
  for (const name of ["m2", "worker", "xworker-1", "m1.example.org"]) assert.equal(reach(name), "tunnels/nodes", name);
  const inherited = policyOf({ tunnels: { nodes: [{ names: ["*"], labels: { constructor: "x" } }] } });
  assert.equal(said(permitTunnel(caller, { ...node, labels: {} }, inherited, [], now)), "tunnels/nodes");
  for (const rule of [{}, { labels: { pool: "guests" } }, { names: ["a/b"] }]) {
    const broken = policyOf({ tunnels: { nodes: [rule] } });
    assert.match(broken.problems.join(), /spec\.tunnels\.nodes\[0\]/);
    assert.equal(said(permitTunnel(caller, node, broken, [], now)), "policy/accept");
  }
});

test("a host of routes is reached as rules name it, and where one of these found it", () => {
  const policy = policyOf({ tunnels: { routes: [...routes, { namespaces: ["bank"] }] } });
  const only = policyOf({ tunnels: { routes } });
  const reach = (host: string, namespace?: string, by = only) =>
    said(permitTunnel(caller, { kind: "route", host, port: 80, ...(namespace && { namespace }) }, by, [], now));
  assert.equal(reach("a.example.org"), "yes");
  assert.equal(reach("a.b.example.org"), "yes");
  for (const host of ["example.org", "xexample.org", "a.example.org.evil.net", "a.example.com"]) {
    assert.equal(reach(host), "tunnels/routes", host);
    assert.equal(reach(host, undefined, policy), "yes", "a rule without hosts means all");
  }
  assert.equal(reach("a.example.org", "shop"), "yes");
  assert.equal(reach("a.example.org", "kube-system"), "tunnels/routes");
  assert.equal(reach("other.net", "shop", policy), "tunnels/routes");
  assert.equal(reach("other.net", "bank", policy), "yes");
});

test("a Service is reached by its namespace, its name and its port, as the policy names them", () => {
  const services = [{ namespace: "data", name: "db", ports: [5432] }, { namespace: "open" }];
  const policy = policyOf({ tunnels: { services } });
  const reach = (namespace: string, name: string, port: number | string) =>
    said(permitTunnel(caller, { kind: "service", namespace, name, port }, policy, [], now));
  assert.equal(reach("data", "db", 5432), "yes");
  assert.equal(reach("data", "db", 5433), "tunnels/services");
  assert.equal(reach("data", "db", "postgres"), "tunnels/services", "a name is not known to be that number");
  assert.equal(reach("data", "db2", 5432), "tunnels/services");
  assert.equal(reach("data2", "db", 5432), "tunnels/services");
  assert.equal(reach("open", "anything", "http"), "yes");
});

test("a policy that cannot be understood lets nothing be reached", () => {
  const policy = closedPolicy("PeerPolicy odd cannot be understood: spec.x: unknown field");
  for (const target of [app, db, api, address, metrics])
    assert.equal(said(permitTunnel(caller, target, policy, [], now)), "policy/accept");
  for (const action of ["logs", "exec", "files"] as const) {
    const refused = permitPods(caller, action, policy);
    assert.equal(said(refused), "policy/accept");
    assert.match(refused.allowed ? "" : refused.message, /PeerPolicy odd cannot be understood/);
  }
});

test("after tunnels.until nothing is reached, and before it the end is known", () => {
  const policy = policyOf({ tunnels: { until: new Date(now + 1_000).toISOString() } });
  assert.deepEqual(permitTunnel(caller, app, policy, [], now), { allowed: true, until: now + 1_000 });
  assert.equal(said(permitTunnel(caller, app, policy, [], now + 1_000)), "tunnels/until");
});

test("where first use needs approval, each target waits for its own", () => {
  const policy = policyOf({ tunnels: { approval: "FirstUse", services: [{ namespace: "data" }] } });
  const held = permitTunnel(caller, db, policy, [], now);
  assert.equal(said(held), "tunnels/approval");
  assert.equal(held.allowed ? undefined : held.held, true);
  const target = targetName(db);
  assert.equal(target, "service/data/db:5432");
  const approved = { target, verdict: "Approved" } as const;
  assert.deepEqual(permitTunnel(caller, db, policy, [approved], now), { allowed: true });
  assert.equal(said(permitTunnel(caller, { ...db, port: 80 }, policy, [approved], now)), "tunnels/approval");
  assert.equal(said(permitTunnel(caller, app, policy, [approved], now)), "tunnels/approval");
});

test("an approval of a target ends when it was to end, and a denial gives its reason", () => {
  const policy = policyOf({ tunnels: { approval: "FirstUse", until: new Date(now + 9_000).toISOString() } });
  const target = targetName(app);
  const approved = { target, verdict: "Approved", until: now + 5_000 } as const;
  assert.deepEqual(permitTunnel(caller, app, policy, [approved], now), { allowed: true, until: now + 5_000 });
  assert.equal(said(permitTunnel(caller, app, policy, [approved], now + 5_000)), "tunnels/approval");
  const denied = permitTunnel(caller, app, policy, [{ target, verdict: "Denied", message: "not yet" }], now);
  assert.equal(said(denied), "inbox/denied");
  assert.equal(denied.allowed ? undefined : denied.held, undefined);
  assert.match(denied.allowed ? "" : denied.message, /not yet/);
  assert.equal(
    said(permitTunnel(caller, app, policyOf(), [{ target, verdict: "Denied" }], now)),
    "inbox/denied",
    "it stands, also where nobody would be asked",
  );
});

test("a peer reads the logs of its pods unless a policy says no, and runs and copies only if one says yes", () => {
  const policy = policyOf();
  assert.equal(said(permitPods(caller, "logs", policy)), "yes");
  assert.equal(said(permitPods(caller, "exec", policy)), "pods/exec");
  assert.equal(said(permitPods(caller, "files", policy)), "pods/files");
  const turned = policyOf({ pods: { logs: false, exec: true, files: true } });
  assert.equal(said(permitPods(caller, "logs", turned)), "pods/logs");
  assert.equal(said(permitPods(caller, "exec", turned)), "yes");
  assert.equal(said(permitPods(caller, "files", turned)), "yes");
  assert.equal(said(permitPods({ peer: "tokyo", grants: ["tunnels"] }, "logs", policy)), "grants/apps");
});
