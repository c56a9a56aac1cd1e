/** What the cluster enforces in a peer's namespace, on the sandbox's API server: there first, equal to the policy, and put back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import { limitRanges, namespaces, networkPolicies, resourceQuotas } from "../../src/kube/resources.ts";
import { until } from "../patience.ts";
import { type Host, startHost } from "./guarded.ts";
import { never } from "./story.ts";
import { fingerprintOf } from "./town.ts";

const namespace = "fairlead-peer-tokyo";
const tenant = { peer: "tokyo", fingerprint: fingerprintOf("tokyo") };
const guard = { namespace, name: "fairlead" };
const generous = {
  accept: true,
  quota: { pods: 10, "requests.cpu": "2" },
  pod: { max: { cpu: 1, memory: "1Gi" } },
  network: { egress: [{ cidr: "203.0.113.0/24", ports: [{ port: 443 }] }] },
};

const quota = async ({ client }: Host) => (await client.get(resourceQuotas, guard, never))?.spec?.hard;
const network = async ({ client }: Host) => (await client.get(networkPolicies, guard, never))?.spec;
const limits = async ({ client }: Host) => (await client.get(limitRanges, guard, never))?.spec?.limits;
const level = async ({ client }: Host) => {
  const { metadata } = (await client.get(namespaces, { name: namespace }, never)) ?? {};
  return metadata?.labels?.["pod-security.kubernetes.io/enforce"];
};

test("when a namespace is claimed, all that guards it is in place as the policy says", async (t) => {
  const host = await startHost(t, generous);
  assert.deepEqual(await host.start().claim(tenant, never), { ok: true, namespace });
  assert.equal((await quota(host))?.pods, "10");
  assert.equal((await quota(host))?.["requests.cpu"], "2");
  assert.ok((await limits(host))?.some(({ type, max }) => type === "Pod" && max?.memory === "1Gi"));
  const { podSelector, policyTypes, ingress, egress } = (await network(host)) ?? {};
  assert.deepEqual([podSelector, policyTypes], [{}, ["Ingress", "Egress"]]);
  const agent = {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "fairlead-system" } },
    podSelector: { matchLabels: { "app.kubernetes.io/name": "fairlead" } },
  };
  assert.deepEqual(ingress, [{ from: [agent] }]);
  assert.match(JSON.stringify(egress), /203\.0\.113\.0\/24/);
  assert.match(JSON.stringify(egress), /10\.96\.0\.10\/32/);
  assert.equal(await level(host), "baseline");
});

test("a claim that finds everything in place asks nothing of the API server", async (t) => {
  const host = await startHost(t, generous);
  const requests: string[] = [];
  const guarded = host.start((client) => noting(client, requests));
  await guarded.claim(tenant, never);
  requests.length = 0;
  for (let run = 0; run < 20; run += 1) await guarded.claim(tenant, never);
  assert.deepEqual(requests, []);
});

test("many claims at once make each object once", async (t) => {
  const host = await startHost(t, generous);
  const requests: string[] = [];
  const guarded = host.start((client) => noting(client, requests));
  await guarded.claim(tenant, never);
  host.policies.set({ ...generous, quota: { pods: 3 } });
  requests.length = 0;
  await Promise.all(Array.from({ length: 20 }, () => guarded.claim(tenant, never)));
  assert.deepEqual(requests, ["apply resourcequotas"]);
});

test("a cluster that does not take what guards a namespace lets nothing run in it, and says why", async (t) => {
  const host = await startHost(t, generous);
  const message = "resourcequotas is forbidden: the agent may not";
  const guarded = host.start((client) => ({
    ...client,
    apply(kind, object, o, signal) {
      if (kind.plural !== "resourcequotas") return client.apply(kind, object, o, signal);
      throw new KubeError({ status: 403, reason: "Forbidden", message });
    },
  }));
  const claim = await guarded.claim(tenant, never);
  assert.ok(!claim.ok);
  assert.equal(claim.reason, "NotGuarded");
  assert.match(
    claim.message,
    /refuses what guards the namespace fairlead-peer-tokyo, so nothing is run in it: resource.*not$/,
  );
});

test("what somebody deletes comes back", async (t) => {
  const host = await startHost(t, generous);
  await host.start().claim(tenant, never);
  for (const [kind, read] of [
    [resourceQuotas, quota],
    [limitRanges, limits],
    [networkPolicies, network],
  ] as const) {
    await host.client.delete(kind, guard, {}, never);
    await until(`the ${kind.kind} is back`, async () => (await read(host)) !== undefined);
  }
});

test("what somebody adds to it is taken away, also by server-side apply with a name of their own", async (t) => {
  const host = await startHost(t, generous);
  await host.start().claim(tenant, never);
  const open = { spec: { ingress: [{}], egress: [{}] } };
  await host.client.mergePatch(networkPolicies, guard, open, never);
  await until("closed again", async () => !/\{\}[,\]]/.test(JSON.stringify([(await network(host))?.ingress])));
  assert.doesNotMatch(JSON.stringify((await network(host))?.egress), /\[\{\}/);

  const more = resourceQuotas.parse({ metadata: guard, spec: { hard: { "count/secrets": "1" } } });
  await host.client.apply(resourceQuotas, more, { fieldManager: "somebody" }, never);
  await until("the amount is gone", async () => (await quota(host))?.["count/secrets"] === undefined);
  assert.equal((await quota(host))?.pods, "10");

  await host.client.mergePatch(resourceQuotas, guard, { spec: { hard: { pods: "1000" } } }, never);
  await until("the amount is as it was", async () => (await quota(host))?.pods === "10");

  await host.client.mergePatch(
    networkPolicies,
    guard,
    { metadata: { labels: { "fairlead.dev/peer": "osaka" } } },
    never,
  );
  await until("the label is as it was", async () => {
    const found = await host.client.get(networkPolicies, guard, never);
    return found?.metadata.labels?.["fairlead.dev/peer"] === "tokyo";
  });
});

test("a quota that was made anew with a scope, which cannot be edited, is replaced", async (t) => {
  const host = await startHost(t, generous);
  await host.start().claim(tenant, never);
  const draft = resourceQuotas.parse({ metadata: guard, spec: { hard: { pods: "10" }, scopes: ["BestEffort"] } });
  // Until it is quicker than the agent, which makes its own at once.
  await until("somebody's quota is there", async () => {
    await host.client.delete(resourceQuotas, guard, {}, never);
    return (await host.client.create(resourceQuotas, draft, never).catch(() => undefined)) !== undefined;
  });
  await until("without the scope", async () => {
    const { spec } = (await host.client.get(resourceQuotas, guard, never)) ?? {};
    return spec !== undefined && spec.scopes === undefined;
  });
});

test("a quota that the cluster does not take deletes none that is there", async (t) => {
  const host = await startHost(t, generous);
  let isRefused = false;
  const guarded = host.start((client) => ({
    ...client,
    apply(kind, object, o, signal) {
      if (!isRefused || kind.plural !== "resourcequotas") return client.apply(kind, object, o, signal);
      throw new KubeError({ status: 422, reason: "Invalid", message: "spec.hard: no such resource" });
    },
  }));
  await guarded.claim(tenant, never);
  isRefused = true;
  host.policies.set({ ...generous, quota: { pods: 1 } });
  assert.equal((await guarded.claim(tenant, never)).ok, false);
  assert.equal((await quota(host))?.pods, "10");
});

test("a policy that changes changes what guards an idle namespace, up and down", async (t) => {
  const host = await startHost(t, generous);
  await host.start().claim(tenant, never);
  host.policies.set({ accept: true, quota: { pods: 2 }, podSecurity: "restricted" }, tenant.fingerprint);
  await until("restricted", async () => (await level(host)) === "restricted");
  await until("two pods", async () => (await quota(host))?.pods === "2" && !(await quota(host))?.["requests.cpu"]);
  await until("no limits", async () => (await limits(host)) === undefined);
  assert.doesNotMatch(JSON.stringify(await network(host)), /203\.0\.113/);
  host.policies.set(generous, tenant.fingerprint);
  await until("baseline", async () => (await level(host)) === "baseline");
  await until("limits", async () => (await limits(host)) !== undefined);
});

test("after a start, namespaces in which nothing moves are guarded too, those of other people never", async (t) => {
  const host = await startHost(t, generous);
  const first = host.start();
  await first.claim(tenant, never);
  await first.close();
  await host.client.delete(networkPolicies, guard, {}, never);
  await host.client.mergePatch(resourceQuotas, guard, { spec: { hard: { pods: "99" } } }, never);
  const unmarked = {
    "pod-security.kubernetes.io/enforce": null,
    "pod-security.kubernetes.io/enforce-version": "v1.20",
  };
  await host.client.mergePatch(namespaces, { name: namespace }, { metadata: { labels: unmarked } }, never);
  host.peering.set("osaka", {});
  host.peering.set("kobe", {});
  const strange = { metadata: { name: "fairlead-peer-osaka" } };
  await host.client.create(namespaces, strange, never);
  const taken = {
    metadata: { name: "fairlead-peer-kobe", labels: { "fairlead.dev/peer-fingerprint": "f".repeat(63) } },
  };
  await host.client.create(namespaces, taken, never);
  host.start();
  await until("the NetworkPolicy is back", async () => (await network(host)) !== undefined);
  await until("the quota is right", async () => (await quota(host))?.pods === "10");
  const found = await host.client.get(namespaces, { name: namespace }, never);
  assert.equal(found?.metadata.labels?.["pod-security.kubernetes.io/enforce"], "baseline");
  assert.equal(found?.metadata.labels?.["pod-security.kubernetes.io/enforce-version"], "latest");
  assert.deepEqual(host.warnings, [], "what is not a peer's is no trouble of a peer's");
  for (const name of ["fairlead-peer-osaka", "fairlead-peer-kobe"]) {
    assert.deepEqual((await host.client.list(networkPolicies, { namespace: name }, never)).items, []);
  }
});

test("a Pod Security level that is taken off an idle namespace is put back", async (t) => {
  const host = await startHost(t, { ...generous, podSecurity: "restricted" });
  await host.start().claim(tenant, never);
  for (const value of [null, "privileged"]) {
    const labels = { "pod-security.kubernetes.io/enforce": value };
    await host.client.mergePatch(namespaces, { name: namespace }, { metadata: { labels } }, never);
    await until("restricted again", async () => (await level(host)) === "restricted");
  }
});

test("other people's NetworkPolicies and quotas beside ours are left alone; a NetworkPolicy is told of once", async (t) => {
  const host = await startHost(t, generous);
  await host.start().claim(tenant, never);
  const theirs = { namespace, name: "theirs" };
  const widening = networkPolicies.parse({ metadata: theirs, spec: { podSelector: {}, ingress: [{}] } });
  await host.client.create(networkPolicies, widening, never);
  const narrow = resourceQuotas.parse({ metadata: theirs, spec: { hard: { pods: "1" } } });
  await host.client.create(resourceQuotas, narrow, never);
  const told = () => host.warnings.filter(({ message }) => /beside the agent's opens more/.test(message));
  await until("it is told", () => told().length > 0);
  await host.client.mergePatch(networkPolicies, theirs, { spec: { egress: [{}] } }, never);
  await host.client.delete(networkPolicies, guard, {}, never);
  await until("ours is back", async () => (await network(host)) !== undefined);
  assert.deepEqual(
    told().map(({ fields }) => fields),
    [{ kind: "NetworkPolicy", object: `${namespace}/theirs` }],
  );
  assert.ok(await host.client.get(networkPolicies, theirs, never));
  assert.ok(await host.client.get(resourceQuotas, theirs, never));
});

test("what guards the namespace of a peer that was removed stays as it is, and is the operator's to change", async (t) => {
  const host = await startHost(t, generous);
  const guarded = host.start();
  await guarded.claim(tenant, never);
  host.policies.gone.add(tenant.fingerprint);
  host.peering.set("tokyo", undefined);
  const claim = await guarded.claim(tenant, never);
  assert.ok(!claim.ok);
  assert.match(claim.message, /tokyo is no peer of this agent now/);
  assert.deepEqual([await level(host), (await quota(host))?.pods], ["baseline", "10"]);
  await host.client.delete(limitRanges, guard, {}, never);
  host.peering.set("osaka", {});
  await guarded.claim({ peer: "osaka", fingerprint: fingerprintOf("osaka") }, never);
  assert.equal(await limits(host), undefined, "it has not come back by the time that another one is guarded");
});

test("somebody who undoes every repair is not fought at full speed", { timeout: 60_000 }, async (t) => {
  const host = await startHost(t, generous);
  await host.start().claim(tenant, never);
  const end = performance.now() + 3_000;
  let undone = 0;
  while (performance.now() < end) {
    if (await host.client.delete(resourceQuotas, guard, {}, never)) undone += 1;
  }
  assert.ok(undone >= 2 && undone <= 5, `within three seconds it was put back ${undone} times`);
  await until("it is back", async () => (await quota(host)) !== undefined);
});

test("a namespace that goes is let go, and guarded again when it is claimed again", async (t) => {
  const host = await startHost(t, generous);
  const guarded = host.start();
  await guarded.claim(tenant, never);
  await host.client.delete(namespaces, { name: namespace }, {}, never);
  await until("it is gone", async () => (await host.client.get(namespaces, { name: namespace }, never)) === undefined);
  await until("and forgotten", async () => {
    const claim = await guarded.claim(tenant, never).catch(() => undefined);
    return claim?.ok === true && (await quota(host)) !== undefined;
  });
  assert.ok(await network(host));
  assert.equal(guarded.oldestPendingMs() < 10_000, true);
});

/** Writes down each request that is neither a list nor a watch. */
function noting(client: KubeClient, requests: string[]): KubeClient {
  return {
    ...client,
    get(kind, ref, signal) {
      requests.push(`get ${kind.plural}`);
      return client.get(kind, ref, signal);
    },
    create(kind, object, signal) {
      requests.push(`create ${kind.plural}`);
      return client.create(kind, object, signal);
    },
    apply(kind, object, o, signal) {
      requests.push(`apply ${kind.plural}`);
      return client.apply(kind, object, o, signal);
    },
    update(kind, object, signal) {
      requests.push(`update ${kind.plural}`);
      return client.update(kind, object, signal);
    },
    mergePatch(kind, ref, patch, signal) {
      requests.push(`patch ${kind.plural}`);
      return client.mergePatch(kind, ref, patch, signal);
    },
  };
}
