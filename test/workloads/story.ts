import type { TestContext } from "node:test";
import type { KubeClient } from "../../src/kube/client.ts";
import { isJsonObject, type JsonObject } from "../../src/kube/object.ts";
import { remoteApps } from "../../src/kube/resources.ts";
import type { HeldItem } from "../../src/workloads/host/inbox.ts";
import { writePolicy } from "../policy/open-policy.ts";
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

/** An API server that takes a while to write Workloads, 300 ms unless said, so that many writes are under way at once. */
export function slowWorkloads(town: () => Town, ms = 300): (client: KubeClient) => KubeClient {
  return (client) => ({
    ...client,
    async apply(kind, object, o, signal) {
      if (kind.plural === "workloads") await town().clock.sleep(ms, signal);
      return client.apply(kind, object, o, signal);
    },
  });
}

/** As `kubectl apply` does; the API server would fill the defaults. */
export function applyApp(town: Town, name: string, spec: JsonObject = {}, origin = "tokyo"): void {
  const { cluster } = town.agent(origin);
  const full = {
    ...(spec.placement ? {} : { peer: "osaka" }),
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

/** States what the host's one policy says, instead of what it said before. */
export function setPolicy(town: Town, workloads: JsonObject, host = "osaka"): void {
  void writePolicy(town.agent(host).cluster, "open", { workloads: { accept: true, ...workloads } });
}

/** What waits for a person at the host; there must be exactly one. */
export function waiting(town: Town, host = "osaka"): HeldItem {
  const items = town
    .agent(host)
    .workloads.host.held()
    .filter(({ state }) => state === "Held");
  const [item] = items;
  if (!item || items.length > 1) throw new Error(`${items.length} items wait.`);
  return item;
}

export function isWaiting(town: Town, host = "osaka"): boolean {
  return town
    .agent(host)
    .workloads.host.held()
    .some(({ state }) => state === "Held");
}

/** What was written down at an agent, as "action verdict rule". */
export function audited(town: Town, agent: string): string[] {
  return town
    .agent(agent)
    .audited.map(({ action, verdict, rule }) => [action, verdict, rule].filter((part) => part !== undefined).join(" "));
}

/** Of the Deployment of an app, by the image that it runs. */
export function replicasOf(town: Town, image: string, host = "osaka"): unknown {
  return deployments(town, host).find((one) => containerOf(one)?.image === image)?.spec?.replicas;
}

/** A town in which `web` runs two pods of web:1. */
export async function startWithWeb(t: TestContext, workloads: JsonObject = {}): Promise<Town> {
  const town = await startTown(t);
  setPolicy(town, workloads);
  applyApp(town, "web", { replicas: 2 });
  await town.until("Ready", () => phaseOf(town, "web") === "Ready");
  return town;
}

/** The rules that spoke about an app, as the origin shows them. */
export function rules(town: Town, name: string): string[] {
  const { admission } = statusOf(town, name);
  return [...JSON.stringify(admission ?? {}).matchAll(/"rule":"([^"]+)"/g)].map(([, rule = ""]) => rule);
}

/** Whether the one Workload at the host conforms, and what that means for it. */
export function conforms(town: Town): string {
  const conditions = JSON.stringify(held(town)[0]?.status?.conditions ?? []);
  const found: { type: string; status: string; reason: string }[] = JSON.parse(conditions);
  const one = found.find(({ type }) => type === "Conforms");
  return `${one?.status} ${one?.reason}`;
}
