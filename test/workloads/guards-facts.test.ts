/** What the agent knows of its cluster before it writes a NetworkPolicy. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { KubeError } from "../../src/kube/errors.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import { endpointSlices, services } from "../../src/kube/resources.ts";
import { guardDrafts } from "../../src/workloads/host/guards-drafts.ts";
import { type AgentPlace, createFactFinder, factsOf } from "../../src/workloads/host/guards-facts.ts";
import { createFakeClock } from "../base/fake-clock.ts";
import { createCluster } from "./cluster.ts";
import { listeningLog, place, policyOf } from "./guarded.ts";
import { never } from "./story.ts";

const beside: AgentPlace = { inCluster: false, namespace: "x", server: "https://127.0.0.1:6443", nameservers: [] };

function slice(...addresses: string[]): JsonObject {
  return { metadata: { namespace: "default", name: "kubernetes" }, endpoints: [{ addresses }] };
}

/** `refuses` says whether the agent may see EndpointSlices now. */
async function start(t: TestContext, o: { at?: AgentPlace; addresses?: string[]; refuses?: () => boolean } = {}) {
  const cluster = createCluster();
  await cluster.create(endpointSlices, endpointSlices.parse(slice(...(o.addresses ?? ["192.0.2.10"]))), never);
  const kubernetes = { metadata: { namespace: "default", name: "kubernetes" }, spec: { clusterIPs: ["10.96.0.1"] } };
  await cluster.create(services, services.parse(kubernetes), never);
  const clock = createFakeClock();
  const { log, warnings } = listeningLog();
  const client: KubeClient = {
    ...cluster,
    async list(kind, options, signal) {
      if (kind.plural === "endpointslices" && o.refuses?.()) {
        throw new KubeError({ status: 403, reason: "Forbidden", message: "endpointslices is forbidden" });
      }
      return cluster.list(kind, options, signal);
    },
  };
  const finder = createFactFinder({ client, place: o.at ?? place, clock, log });
  t.after(() => finder.close());
  return { cluster, clock, finder, warnings };
}

test("in a cluster the API server is at its Service's address and at those of its EndpointSlice", async (t) => {
  const { finder } = await start(t, { addresses: ["192.0.2.10", "192.0.2.11"] });
  const { apiServer, agent, dns } = await finder.read(never);
  assert.deepEqual(apiServer, ["10.96.0.1", "192.0.2.10", "192.0.2.11"]);
  assert.deepEqual(agent, { namespace: "fairlead-system", podLabels: { "app.kubernetes.io/name": "fairlead" } });
  assert.deepEqual(dns, ["10.96.0.10"]);
});

test("beside a cluster the Service is asked for its address, and no pod of the agent is let in", async (t) => {
  const { finder } = await start(t, { at: beside });
  assert.deepEqual(await finder.read(never), {
    apiServer: ["10.96.0.1", "127.0.0.1", "192.0.2.10"],
    agent: undefined,
    dns: [],
  });
});

test("a control plane that moves is followed, and the addresses that it had are not opened", async (t) => {
  const { cluster, finder, clock } = await start(t);
  const first = await finder.read(never);
  assert.equal(await finder.read(never), first, "equal facts are the same object");
  let told = 0;
  finder.subscribe(() => (told += 1));
  for (const endpoints of [null, [{ addresses: ["192.0.2.20"] }]]) {
    cluster.edit("endpointslices", "default/kubernetes", (object) => {
      object.endpoints = endpoints;
    });
    await clock.advance(0);
    assert.ok((await finder.read(never)).apiServer?.includes("192.0.2.10"));
  }
  assert.deepEqual((await finder.read(never)).apiServer, ["10.96.0.1", "192.0.2.10", "192.0.2.20"]);
  assert.equal(told, 1, "an API server that is restarted changes nothing");
});

test("who may not learn where the API server is opens nothing, says so once, and opens when the right comes", async (t) => {
  let isRefused = true;
  const { finder, clock, warnings } = await start(t, { refuses: () => isRefused });
  const reading = finder.read(never);
  await clock.advance(1_000);
  assert.equal((await reading).apiServer, undefined);
  await finder.read(never);
  const told = warnings.filter(({ message }) => /EndpointSlice kubernetes in the namespace default/.test(message));
  assert.equal(told.length, 1);
  const policy = policyOf({ accept: true, network: { egress: [{ cidr: "0.0.0.0/0" }] } });
  const tenant = { namespace: "fairlead-peer-tokyo", peer: "tokyo" };
  const egress = async () => JSON.stringify(guardDrafts(tenant, policy, await finder.read(never)).network.spec?.egress);
  assert.doesNotMatch(await egress(), /0\.0\.0\.0\/0/);
  let told2 = 0;
  finder.subscribe(() => (told2 += 1));
  isRefused = false;
  await clock.advance(60_000);
  assert.equal(told2, 1);
  assert.match(await egress(), /0\.0\.0\.0\/0/);
  assert.match(await egress(), /192\.0\.2\.10\/32/);
});

test("while the API server does not answer, nothing is opened or shut: it is waited for", async (t) => {
  const cluster = createCluster();
  const clock = createFakeClock();
  let isDown = true;
  const client: KubeClient = {
    ...cluster,
    async list(kind, options, signal) {
      if (isDown) throw new KubeError({ status: 0, reason: "Unreachable", message: "no answer" });
      return cluster.list(kind, options, signal);
    },
  };
  const finder = createFactFinder({ client, place, clock, log: listeningLog().log });
  t.after(() => finder.close());
  let isRead = false;
  const reading = finder.read(never).then((facts) => {
    isRead = true;
    return facts;
  });
  await clock.advance(30_000);
  assert.equal(isRead, false);
  isDown = false;
  await clock.advance(60_000);
  assert.deepEqual((await reading).apiServer, ["10.96.0.1"]);
});

test("the address of node metadata is no nameserver, nor is a name an address", () => {
  const nameservers = ["169.254.169.254", "127.0.0.53", "169.254.20.10", "10.96.0.10", "dns.example.com"];
  const facts = factsOf({ ...place, server: "https://kubernetes.example.com", nameservers }, []);
  assert.deepEqual(facts.dns, ["10.96.0.10", "169.254.20.10"]);
  assert.equal(facts.apiServer, undefined, "no address of it is known");
  assert.deepEqual(factsOf({ ...place, server: "https://[fd00::1]:443" }, []).apiServer, ["fd00::1"]);
});
