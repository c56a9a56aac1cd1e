/** What guards a peer's namespace, beside the apps that run in it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { isJsonObject } from "../../src/kube/object.ts";
import { kubeError } from "./cluster.ts";
import { applyApp, containerOf, deployments, hostIsEmpty, phaseOf, setPolicy, startTown, statusOf } from "./story.ts";
import type { Town } from "./town.ts";

/** Writes down what is applied, created and patched, in order: "plural/name". */
function writing(writes: string[]): (client: KubeClient) => KubeClient {
  return (client) => ({
    ...client,
    create(kind, object, signal) {
      writes.push(`${kind.plural}/${object.metadata.name}`);
      return client.create(kind, object, signal);
    },
    apply(kind, object, o, signal) {
      writes.push(`${kind.plural}/${object.metadata.name}`);
      return client.apply(kind, object, o, signal);
    },
    mergePatch(kind, ref, patch, signal) {
      writes.push(`${kind.plural}/${ref.name}`);
      return client.mergePatch(kind, ref, patch, signal);
    },
  });
}

const appPolicies = (town: Town) =>
  town
    .agent("osaka")
    .cluster.all("networkpolicies")
    .filter(({ metadata }) => metadata.name !== "fairlead");

test("everything that guards an app is there before its Deployment", async (t) => {
  const writes: string[] = [];
  const town = await startTown(t, writing(writes));
  setPolicy(town, { accept: true, pod: { max: { memory: "1Gi" } } });
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const firsts = [...new Set(writes.map((write) => write.replace(/\/web-.*/, "/web")))];
  const order = firsts.filter((write) => !/^(workloads|events|selfsubject|peerpolicies)/.test(write));
  assert.deepEqual(order, [
    "namespaces/fairlead-peer-tokyo",
    "limitranges/fairlead",
    "resourcequotas/fairlead",
    "networkpolicies/fairlead",
    "networkpolicies/web",
    "deployments/web",
    "services/web",
  ]);
});

test("while the cluster refuses what guards a namespace nothing runs in it, and the origin is told why", async (t) => {
  let isRefused = true;
  const town = await startTown(t, (client) => ({
    ...client,
    apply: async (kind, object, o, signal) => {
      if (isRefused && kind.plural === "networkpolicies")
        throw kubeError(403, "Forbidden", "networkpolicies is forbidden");
      return client.apply(kind, object, o, signal);
    },
  }));
  applyApp(town, "web");
  await town.until("told", () => /networkpolicies is forbidden/.test(String(statusOf(town, "web").message)));
  assert.equal(deployments(town).length, 0);
  isRefused = false;
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
});

test("the NetworkPolicy of an app is put back when somebody opens, deletes or disowns it, and goes with the app", async (t) => {
  const town = await startTown(t);
  const { cluster } = town.agent("osaka");
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  const [made] = appPolicies(town);
  const key = `fairlead-peer-tokyo/${made?.metadata.name}`;
  cluster.edit("networkpolicies", key, (object) => {
    object.spec = { ...object.spec, ingress: [{}] };
  });
  await town.until("closed", () => JSON.stringify(appPolicies(town)[0]?.spec) === JSON.stringify(made?.spec));
  cluster.purge("networkpolicies", key);
  await town.until("back", () => appPolicies(town).length === 1);
  cluster.edit("networkpolicies", key, ({ metadata }) => {
    delete metadata.ownerReferences;
  });
  await town.until("owned", () => appPolicies(town)[0]?.metadata.ownerReferences?.length === 1);
  const origin = town.agent("tokyo").cluster;
  origin.purge("remoteapps", "shop/web");
  cluster.purge("workloads", key);
  await town.until("gone", () => appPolicies(town).length === 0);
});

test("a policy that turns strict changes the namespace first and then what runs in it", async (t) => {
  const writes: string[] = [];
  const town = await startTown(t, writing(writes));
  applyApp(town, "web");
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  writes.length = 0;
  setPolicy(town, { accept: true, podSecurity: "restricted", nodeSelector: { pool: "lent" } });
  await town.until("it runs by the new rules", () => {
    const context = containerOf(deployments(town)[0])?.securityContext;
    return isJsonObject(context) && context.allowPrivilegeEscalation === false;
  });
  const level = writes.indexOf("namespaces/fairlead-peer-tokyo");
  const rollout = writes.findIndex((write) => write.startsWith("deployments/"));
  assert.ok(level >= 0 && level < rollout, writes.join(", "));
  assert.match(JSON.stringify(deployments(town)[0]?.spec), /"nodeSelector":\{"pool":"lent"\}/);
  await town.until("Ready again", () => phaseOf(town, "web") === "Ready");
  assert.equal(hostIsEmpty(town), false);
});
