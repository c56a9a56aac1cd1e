/** Hosts of routes into this cluster that the rules of a caller offer. */
import { mapLimited } from "../base/map-limited.ts";
import { KubeError } from "../kube/errors.ts";
import type { RouteEntry } from "../kube/route-entry.ts";
import type { ListRoutes } from "../kube/route-list.ts";
import type { ListedService, ListServices } from "../kube/service-list.ts";
import { routeRulesFor } from "../policy/reach.ts";
import { isHost } from "../wire/target-text.ts";
import type { Offer, OfferSource } from "./offers.ts";
import { chooseRoute, type RouteWay } from "./route-choice.ts";

/** Namespaces that are looked at together. */
const atOnce = 8;

interface Namespace {
  readonly entries: readonly RouteEntry[];
  readonly services: readonly ListedService[];
  readonly problem?: string;
}

export function routeOffers(deps: { listRoutes: ListRoutes; listServices: ListServices }): OfferSource {
  async function look(namespace: string, signal: AbortSignal): Promise<Namespace> {
    try {
      const [routes, found] = await Promise.all([
        deps.listRoutes(namespace, signal),
        deps.listServices(namespace, signal),
      ]);
      const { entries } = routes;
      if (!routes.isCut) return { entries, services: found.services };
      const problem = `The namespace ${namespace} has more routes than are looked at, so some of their hosts are not known.`;
      return { entries, services: found.services, problem };
    } catch (error) {
      signal.throwIfAborted();
      return { entries: [], services: [], problem: whyNot(error, namespace) };
    }
  }

  return {
    kind: "route",
    async list(_caller, { routes }, signal) {
      const namespaces = [...new Set(routes.flatMap((rule) => rule.namespaces))];
      const looked = await mapLimited(namespaces, atOnce, (namespace) => look(namespace, signal));
      const there = new Map(namespaces.map((namespace, index) => [namespace, looked[index]?.services ?? []]));
      const byHost = Map.groupBy(
        looked.flatMap((one) => one.entries),
        ({ host }) => host,
      );
      const offers = [...byHost].flatMap(([host, entries]) => {
        if (!isHost(host)) return [];
        const named = new Set(routeRulesFor(routes, host).flatMap((rule) => rule.namespaces));
        const meant = entries.filter(({ namespace }) => named.has(namespace));
        return offersOf(host, meant, there);
      });
      return { offers, problems: looked.flatMap(({ problem }) => problem ?? []) };
    },
  };
}

/** What cannot be reached is told of too, with the reason, since its host is known to be here. */
function offersOf(
  host: string,
  entries: readonly RouteEntry[],
  there: ReadonlyMap<string, readonly ListedService[]>,
): Offer[] {
  const choice = chooseRoute(entries, host);
  if (!choice.ok) {
    if (choice.why === "none") return [];
    return [{ target: { kind: "route", host }, notReady: `The host ${choice.message}.` }];
  }
  return choice.ways.map((way) => {
    const { service, port } = behind(way, there);
    const target = { kind: "route", host, namespace: way.namespace } as const;
    if (!service || !port) return { target, notReady: "The host leads to no Service that is here." };
    return {
      target: { ...target, port: port.number },
      portName: port.name,
      appProtocol: port.appProtocol,
      notReady: service.ready ? undefined : "Nothing behind the Service is ready.",
    };
  });
}

function behind(way: RouteWay, there: ReadonlyMap<string, readonly ListedService[]>) {
  const service = there.get(way.namespace)?.find(({ name }) => name === way.service);
  const tcp = service?.ports.filter(({ protocol }) => protocol === "TCP");
  return { service, port: tcp?.find(({ number, name }) => number === way.port || name === way.port) };
}

/** What the caller may know, who may reach hosts there; not the words of the API server. */
function whyNot(error: unknown, namespace: string): string {
  if (error instanceof KubeError && (error.status === 401 || error.status === 403)) {
    return `The peer's agent lacks a right to list routes or Services in the namespace ${namespace}, so it does not say which hosts there are; whoever runs it can grant that (docs/rbac.md, "Where peers reach Services").`;
  }
  return `The peer's agent could not list the routes of the namespace ${namespace}, since its cluster's API does not answer as it should.`;
}
