/** Which Service a host of routes leads to, of all that routes say of it. Pure. */
import type { RouteBackend, RouteEntry } from "../kube/route-entry.ts";

/** Services that a host leads to: more than one only where each is a port of its own. */
export type RouteChoice =
  | { readonly ok: true; readonly ways: readonly RouteWay[] }
  /** `none`: no route has the host. `divided`: there is no one Service; `message` says why, as the end of "the host …". */
  | { readonly ok: false; readonly why: "none" }
  | { readonly ok: false; readonly why: "divided"; readonly message: string };

export interface RouteWay extends RouteBackend {
  readonly namespace: string;
}

/** Routes that share a host, by how their gateway tells connections apart: each of these leads somewhere by itself. */
const layerOf = { Ingress: "http", HTTPRoute: "http", TLSRoute: "tls", TCPRoute: "tcp" } as const;

/** The routes that say the host itself count; else those with the longest wildcard that means it. */
export function chooseRoute(entries: readonly RouteEntry[], host: string): RouteChoice {
  const meant = meaning(entries, host);
  if (meant.length === 0) return { ok: false, why: "none" };
  const ways: RouteWay[] = [];
  let problem: string | undefined;
  for (const layer of Map.groupBy(meant, ({ kind }) => layerOf[kind]).values()) {
    const led = leadOf(layer);
    if (typeof led === "string") problem ??= led;
    else ways.push(led);
  }
  return ways.length > 0 ? { ok: true, ways } : { ok: false, why: "divided", message: problem ?? "leads nowhere" };
}

function meaning(entries: readonly RouteEntry[], host: string): readonly RouteEntry[] {
  const same = entries.filter((entry) => entry.host === host);
  if (same.length > 0) return same;
  const wild = entries.filter((entry) => entry.host.startsWith("*.") && isMeant(entry, host));
  const longest = Math.max(...wild.map((entry) => entry.host.length));
  return wild.filter((entry) => entry.host.length === longest);
}

/** A star stands for one part of a name in an Ingress, and for any number of them in the Gateway API. */
function isMeant({ kind, host: pattern }: RouteEntry, host: string): boolean {
  if (!host.endsWith(pattern.slice(1)) || host.startsWith("*.")) return false;
  const star = host.slice(0, host.length - pattern.length + 1);
  return star !== "" && (kind !== "Ingress" || !star.includes("."));
}

function leadOf(entries: readonly RouteEntry[]): RouteWay | string {
  const problem = entries.find((entry) => entry.problem !== undefined)?.problem;
  if (problem !== undefined) return problem;
  const ways = new Map<string, RouteWay>();
  for (const { namespace, backends } of entries) {
    for (const backend of backends) {
      ways.set(`${namespace}/${backend.service}:${backend.port}`, { namespace, ...backend });
    }
  }
  const [way, ...others] = ways.values();
  if (!way) return "leads to no Service";
  if (others.length === 0) return way;
  return "is divided among several Services, by paths or otherwise, which a connection cannot be; name the Service instead";
}
