import type { TestContext } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import { remoteApps } from "../../src/kube/resources.ts";
import type { Stored } from "./cluster.ts";
import { Town } from "./town.ts";

export const never = new AbortController().signal;

/** tokyo is the origin, osaka the host; linked and started. `atHost` may put something before osaka's API server. */
export async function startTown(t: TestContext, atHost = (client: KubeClient): KubeClient => client): Promise<Town> {
  const town = new Town();
  const host = town.agent("osaka");
  host.client = atHost(host.cluster);
  t.after(() => town.close());
  town.pair("tokyo", "osaka");
  town.agent("tokyo").start();
  town.agent("osaka").start();
  await town.connect("tokyo", "osaka");
  return town;
}

/** As `kubectl apply` does; the API server would fill the defaults. */
export function applyApp(town: Town, name: string, spec: JsonObject = {}, origin = "tokyo"): void {
  const { cluster } = town.agent(origin);
  const full = {
    peer: "osaka",
    image: "web:1",
    replicas: 1,
    ports: [{ containerPort: 80, appProtocol: "http" }],
    ...spec,
  };
  const key = `shop/${name}`;
  if (cluster.objects.has(`remoteapps/${key}`)) {
    cluster.edit("remoteapps", key, (object) => {
      object.spec = full;
    });
    return;
  }
  const draft = remoteApps.parse({ metadata: { namespace: "shop", name }, spec: full });
  void cluster.create(remoteApps, draft, never);
}

export function deleteApp(town: Town, name: string, origin = "tokyo"): void {
  void town.agent(origin).cluster.delete(remoteApps, { namespace: "shop", name }, {}, never);
}

export function findApp(town: Town, name: string, origin = "tokyo"): Stored | undefined {
  return town.agent(origin).cluster.objects.get(`remoteapps/shop/${name}`);
}

export function app(town: Town, name: string, origin = "tokyo"): Stored {
  const found = findApp(town, name, origin);
  if (!found) throw new Error(`There is no app ${name}.`);
  return found;
}

export function statusOf(town: Town, name: string, origin = "tokyo"): JsonObject {
  return findApp(town, name, origin)?.status ?? {};
}

export function phaseOf(town: Town, name: string, origin = "tokyo"): unknown {
  return statusOf(town, name, origin).phase;
}

export function deployments(town: Town, host = "osaka"): Stored[] {
  return town.agent(host).cluster.all("deployments");
}

export function held(town: Town, host = "osaka"): Stored[] {
  return town.agent(host).cluster.all("workloads");
}

/** The first container of a Deployment. */
export function containerOf(deployment: Stored | undefined): JsonObject | undefined {
  const { spec } = deployment ?? {};
  const template = isJsonObject(spec?.template) ? spec.template : {};
  const pod = isJsonObject(template.spec) ? template.spec : {};
  const [container] = Array.isArray(pod.containers) ? pod.containers : [];
  return isJsonObject(container) ? container : undefined;
}

/** The reasons of all Events at the origin. */
export function events(town: Town, origin = "tokyo"): unknown[] {
  return town
    .agent(origin)
    .cluster.all("events")
    .map(({ reason }) => reason);
}

/** Nothing of any peer is left at the host but the namespace. */
export function hostIsEmpty(town: Town, host = "osaka"): boolean {
  const { cluster } = town.agent(host);
  return ["workloads", "deployments", "services", "pods"].every((plural) => cluster.all(plural).length === 0);
}
