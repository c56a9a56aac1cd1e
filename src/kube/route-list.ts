/** The routes of namespaces into this cluster: its Ingresses, and those kinds of the Gateway API that it has. */
import type { Clock } from "../base/clock.ts";
import type { KubeClient } from "./client.ts";
import { isNotFound } from "./errors.ts";
import { createFresh } from "./fresh.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./object.ts";
import { readPages } from "./pages.ts";
import type { Requests } from "./requests.ts";
import type { ResourceKind } from "./resource-kind.ts";
import { type RouteEntry, type RouteKind, readRoute } from "./route-entry.ts";

export interface RouteList {
  readonly entries: readonly RouteEntry[];
  /** There are more routes, which are left out. */
  readonly isCut: boolean;
}

/** Rejects with a `KubeError`. What was looked at is good for five seconds, for all who ask. */
export type ListRoutes = (namespace: string, signal: AbortSignal) => Promise<RouteList>;

const gatewayGroup = "gateway.networking.k8s.io";
const pluralOf: Readonly<Record<RouteKind, string>> = {
  Ingress: "ingresses",
  HTTPRoute: "httproutes",
  TLSRoute: "tlsroutes",
  TCPRoute: "tcproutes",
};
/** The best first. What an older one has of a route is the same in all that is read here. */
const versions = ["v1", "v1beta1", "v1alpha3", "v1alpha2"];
/** Of one kind in one namespace. */
const mostRoutes = 2_000;

export function createListRoutes(deps: {
  readonly client: Pick<KubeClient, "list">;
  readonly requests: Pick<Requests, "json">;
  readonly clock: Clock;
}): ListRoutes {
  const { client, requests, clock } = deps;
  const bounds = { clock, timeoutMs: 10_000 };
  /** There is one cluster to ask. */
  const gatewayKinds = createFresh({ ...bounds, freshMs: 30_000, most: 1, look: (_all, signal) => discover(signal) });

  async function discover(signal: AbortSignal): Promise<ResourceKind<JsonObject>[]> {
    const group = await read(`/apis/${gatewayGroup}`, signal);
    const served = new Set(namesOf(group?.versions, "version"));
    const offered = new Map<string, Set<string>>();
    for (const version of versions.filter((one) => served.has(one))) {
      const list = await read(`/apis/${gatewayGroup}/${version}`, signal);
      offered.set(version, new Set(namesOf(list?.resources, "name")));
    }
    return (["HTTPRoute", "TLSRoute", "TCPRoute"] as const).flatMap((kind) => {
      const version = versions.find((one) => offered.get(one)?.has(pluralOf[kind]));
      return version === undefined ? [] : [kindOf(gatewayGroup, version, kind)];
    });
  }

  async function read(path: string, signal: AbortSignal): Promise<JsonObject | undefined> {
    try {
      const answer = await requests.json({ method: "GET", path, what: `look at ${path}` }, signal);
      return isJsonObject(answer) ? answer : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined; // The cluster does not have it.
      throw error;
    }
  }

  async function readKind(
    kind: ResourceKind<JsonObject>,
    routeKind: RouteKind,
    namespace: string,
    signal: AbortSignal,
  ) {
    try {
      const { items, isCut } = await readPages(client, kind, { namespace, most: mostRoutes }, signal);
      return { entries: items.flatMap((item) => readRoute(routeKind, item)), isCut };
    } catch (error) {
      if (isNotFound(error)) return { entries: [], isCut: false }; // It went after it was looked for.
      throw error;
    }
  }

  const ingresses = kindOf("networking.k8s.io", "v1", "Ingress");
  return createFresh({
    ...bounds,
    freshMs: 5_000,
    most: 256,
    async look(namespace, signal) {
      const kinds = [ingresses, ...(await gatewayKinds("", signal))];
      const read = kinds.map((kind) => readKind(kind, routeKindOf(kind), namespace, signal));
      const lists = await Promise.all(read);
      return { entries: lists.flatMap(({ entries }) => entries), isCut: lists.some(({ isCut }) => isCut) };
    },
  });
}

function kindOf(group: string, version: string, kind: RouteKind): ResourceKind<JsonObject> {
  const parse = (json: JsonObject): JsonObject => json;
  const format = (object: Partial<JsonObject>): JsonObject => JSON.parse(JSON.stringify(object));
  return { group, version, plural: pluralOf[kind], kind, namespaced: true, parse, format };
}

function routeKindOf({ plural }: ResourceKind<JsonObject>): RouteKind {
  if (plural === pluralOf.HTTPRoute) return "HTTPRoute";
  if (plural === pluralOf.TLSRoute) return "TLSRoute";
  return plural === pluralOf.TCPRoute ? "TCPRoute" : "Ingress";
}

function namesOf(list: JsonValue | undefined, field: string): string[] {
  if (!Array.isArray(list)) return [];
  return list.filter(isJsonObject).flatMap((one) => {
    const name = one[field];
    return typeof name === "string" ? [name] : [];
  });
}
