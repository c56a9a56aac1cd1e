/** The same on API servers: the sandbox's, over HTTP, with the real client, reflectors and garbage collection. */
import assert from "node:assert/strict";
import { createSecretKey, randomBytes } from "node:crypto";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock as clock } from "../../src/base/clock.ts";
import { parseDocuments } from "../../src/base/document.ts";
import { silentLog as log } from "../../src/base/log.ts";
import { IntentService } from "../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import { createEventRecorder } from "../../src/kube/event-recorder.ts";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import {
  customResourceDefinitions,
  deployments,
  namespaces,
  pods,
  remoteApps,
  services,
  workloads,
} from "../../src/kube/resources.ts";
import { createPolicyBook } from "../../src/policy/policy-book.ts";
import { createRpcServer } from "../../src/rpc/server.ts";
import { createSandbox } from "../../src/sandbox/sandbox.ts";
import { createContentHash } from "../../src/workloads/content-hash.ts";
import { createWorkloads, type Workloads } from "../../src/workloads/workloads.ts";
import { until } from "../patience.ts";
import { agentNamespace, openPolicy, writePolicy } from "../policy/open-policy.ts";
import { never, openPair } from "../wire/pair.ts";
import { besideCluster, FakePeering, fingerprintOf } from "./town.ts";

interface Agent {
  kube: KubeConnection;
  workloads: Workloads;
  peering: FakePeering;
}

test("on API servers: deploy, scale, break, mend, put back and delete", async (t) => {
  const [tokyo, osaka] = await startAgents(t);
  const get = () => tokyo.workloads.origin.get("default/web")?.status;
  await apply(tokyo, {
    image: "web:1",
    replicas: 2,
    ports: [{ containerPort: 80 }],
    resources: { limits: { cpu: 1, memory: "64Mi" } },
  });
  await until("Ready", () => get()?.phase === "Ready" && get()?.readyReplicas === 2);
  const [workload] = (await osaka.kube.client.list(workloads, {}, never)).items;
  const ref = { namespace: "fairlead-peer-tokyo", name: workload?.metadata.name ?? "" };
  assert.equal(workload?.metadata.namespace, ref.namespace);

  await osaka.kube.client.mergePatch(deployments, ref, { spec: { template: { spec: { hostNetwork: true } } } }, never);
  await until("the edit is undone", async () => {
    const found = await osaka.kube.client.get(deployments, ref, never);
    return found !== undefined && !found.spec?.template.spec?.hostNetwork;
  });
  const here = { env: [{ name: "SPY", value: "1" }], ports: [{ containerPort: 9 }], tty: true };
  await osaka.kube.client.apply(
    deployments,
    deployments.parse({
      metadata: ref,
      spec: { template: { spec: { containers: [{ name: "app", ...here }] } } },
    }),
    { fieldManager: "somebody", force: true },
    never,
  );
  await until("what somebody added to the container is gone", async () => {
    const found = await osaka.kube.client.get(deployments, ref, never);
    const [own] = found?.spec?.template.spec?.containers ?? [];
    return (
      own !== undefined && !own.env && !own.tty && own.ports?.length === 1 && (found?.metadata.generation ?? 0) > 3
    );
  });
  await osaka.kube.client.delete(deployments, ref, {}, never);
  await until(
    "the Deployment is back",
    async () => (await osaka.kube.client.get(deployments, ref, never)) !== undefined,
  );
  await osaka.kube.client.delete(services, ref, {}, never);
  await until("the Service is back", async () => (await osaka.kube.client.get(services, ref, never)) !== undefined);

  await tokyo.kube.client.mergePatch(
    remoteApps,
    { namespace: "default", name: "web" },
    { spec: { replicas: 3 } },
    never,
  );
  await until("3 pods", () => get()?.phase === "Ready" && get()?.readyReplicas === 3);
  await tokyo.kube.client.delete(remoteApps, { namespace: "default", name: "web" }, {}, never);
  await until("gone", () => tokyo.workloads.origin.get("default/web") === undefined);
  for (const kind of [workloads, deployments, services]) {
    assert.deepEqual((await osaka.kube.client.list<unknown>(kind, { namespace: ref.namespace }, never)).items, []);
  }
});

test("on API servers: hold, approve, hold a change, deny it, tighten, stop, loosen, and let an approval end", async (t) => {
  const [tokyo, osaka] = await startAgents(t);
  const { client } = osaka.kube;
  const { host } = osaka.workloads;
  const get = () => tokyo.workloads.origin.get("default/web")?.status;
  const policy = (workloads: JsonObject) => writePolicy(client, "open", { workloads: { accept: true, ...workloads } });
  const stored = async () => (await client.list(workloads, {}, never)).items[0];
  const deployment = async () => (await client.list(deployments, {}, never)).items[0];
  const isHeld = (image: string) => () => get()?.phase === "Held" && host.held()[0]?.app.image === image;
  const decide = async (verdict: "Approved" | "Denied", lastsMs?: number): Promise<void> => {
    const [item] = host.held();
    await host.decide(item?.name ?? "", { hash: item?.hash ?? "", verdict, by: "ada", lastsMs }, never);
  };

  await policy({ approval: "Always", whenViolated: "Stop" });
  await apply(tokyo, { image: "web:1", replicas: 1, env: [{ name: "A", value: "1" }] });
  await until("Held", isHeld("web:1"));
  assert.equal(await deployment(), undefined);
  await decide("Approved");
  await until("Ready", () => get()?.phase === "Ready");

  await apply(tokyo, { image: "web:2", replicas: 1 });
  await until("the change is Held", isHeld("web:2"));
  assert.equal((await deployment())?.spec?.template.spec?.containers[0]?.image, "web:1");
  const waits = await stored();
  assert.deepEqual([waits?.spec.running?.image, waits?.spec.running?.env.length], ["web:1", 1]);
  assert.equal(waits?.spec.decision?.verdict, "Approved", "the word about what runs is not lost by an edit");
  await decide("Denied");
  await until("Denied", () => get()?.phase === "Denied");
  assert.equal((await stored())?.spec.running?.image, "web:1");
  await decide("Approved");
  await until("web:2 is Ready", () => get()?.phase === "Ready");
  const after = await stored();
  assert.deepEqual([after?.spec.running?.image, after?.spec.running?.env.length], ["web:2", 0]);

  await policy({ deniedImages: ["web"], whenViolated: "Stop" });
  await until("stopped", async () => get()?.phase === "Denied" && (await deployment())?.spec?.replicas === 0);
  await policy({ approval: "Always", whenViolated: "Stop" });
  await until("runs again", async () => get()?.phase === "Ready" && (await deployment())?.spec?.replicas === 1);
  await decide("Approved", 1_500);
  await until("it ends", async () => get()?.phase === "Held" && (await deployment())?.spec?.replicas === 0);
});

test("on API servers: a StatefulSet whose rollout stands still goes on when it is gone back from", async (t) => {
  const [tokyo, osaka] = await startAgents(t);
  const get = () => tokyo.workloads.origin.get("default/web")?.status;
  const app = { kind: "StatefulSet", image: "web:1", replicas: 2, progressDeadlineSeconds: 1 };
  const podsThere = async () => {
    const { items } = await osaka.kube.client.list(pods, { namespace: "fairlead-peer-tokyo" }, never);
    return items.sort((a, b) => ((a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1));
  };
  await apply(tokyo, app);
  await until("Ready", () => get()?.phase === "Ready");
  const [first] = await podsThere();
  await apply(tokyo, { ...app, readinessProbe: { exec: { command: ["false"] }, periodSeconds: 1 } });
  await until("it stands still", () => get()?.reason === "DeadlineExceeded");
  await apply(tokyo, app);
  await until("Ready again", () => get()?.phase === "Ready" && get()?.readyReplicas === 2);
  assert.equal((await podsThere())[0]?.metadata.uid, first?.metadata.uid, "the pod that worked was left alone");
});

async function startAgents(t: TestContext): Promise<[Agent, Agent]> {
  const [tokyo, osaka] = await Promise.all([startAgent(t, "tokyo"), startAgent(t, "osaka")]);
  tokyo.peering.set("osaka", {});
  osaka.peering.set("tokyo", { grants: ["apps"] });
  const rpc = createRpcServer({ routes: osaka.workloads.routes, judgingThemselves: [IntentService] });
  const caller = { fingerprint: fingerprintOf("tokyo"), guest: false, peer: "tokyo", grants: ["apps"], caPem: "" };
  const pair = await openPair({ acceptHigh: (incoming) => incoming.kind === "rpc" && rpc.serve(incoming, caller) });
  tokyo.peering.link("osaka", pair.low);
  osaka.peering.link("tokyo", pair.high);
  t.after(async () => {
    await Promise.all([tokyo.workloads.close(), osaka.workloads.close(), rpc.close()]);
    await pair.close();
  });
  return [tokyo, osaka];
}

async function startAgent(t: TestContext, name: string): Promise<Agent> {
  const sandbox = await createSandbox({ log, processes: false });
  const kubeconfig = join(tmpdir(), `fairlead-${name}-${process.pid}.yaml`);
  await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
  const kube = await connectKube({ kubeconfig, clock });
  t.after(async () => {
    kube.close();
    await sandbox.close();
    await rm(kubeconfig);
  });
  await installDefinitions(kube);
  const peering = new FakePeering(clock);
  const { client } = kube;
  const events = createEventRecorder({ client, clock, log, instance: name });
  const hashContent = createContentHash(createSecretKey(randomBytes(32)));
  const common = { client, roster: peering, audit: { record: () => undefined }, clock, log };
  const policies = createPolicyBook({ client, namespace: agentNamespace, peers: peering.forPolicies, clock, log });
  t.after(() => policies.close());
  await client.create(namespaces, { metadata: { name: agentNamespace } }, never);
  await openPolicy(client);
  return {
    kube,
    peering,
    workloads: createWorkloads({
      origin: {
        ...common,
        hashContent,
        namespace: agentNamespace,
        facts: peering.facts,
        transport: peering.transport,
        links: peering.links,
        events,
      },
      host: {
        ...common,
        hashContent,
        transport: peering.transport,
        links: peering.links,
        logs: kube.pods.logs,
        policies,
        place: besideCluster,
      },
    }),
  };
}

async function installDefinitions(kube: KubeConnection): Promise<void> {
  const folder = new URL("../../charts/fairlead/crds/", import.meta.url);
  for (const file of await readdir(folder)) {
    if (!file.endsWith(".yaml")) continue;
    for (const { value } of parseDocuments(await readFile(new URL(file, folder), "utf8"), file)) {
      if (!isJsonObject(value)) throw new Error(`${file} holds something else than objects.`);
      await kube.client.apply(
        customResourceDefinitions,
        customResourceDefinitions.parse(value),
        { force: true },
        never,
      );
    }
  }
}

async function apply(agent: Agent, spec: JsonObject): Promise<void> {
  const object = remoteApps.parse({
    metadata: { namespace: "default", name: "web" },
    spec: { peer: "osaka", ...spec },
  });
  await agent.kube.client.apply(remoteApps, object, { fieldManager: "kubectl", force: true }, never);
}
