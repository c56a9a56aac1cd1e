/** The Services of namespaces, each with its ports and whether anything is ready behind it, for who may know of them. */
import { abortable, startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import type { KubeClient, ListOptions } from "./client.ts";
import { KubeError } from "./errors.ts";
import type { ResourceKind } from "./resource-kind.ts";
import { type EndpointSlice, endpointSlices, type Service, services } from "./resources.ts";
import type { Protocol, ServicePort } from "./services.ts";

export interface ListedService {
  readonly name: string;
  /** Those of UDP only where they can be reached, which is in the cluster. */
  readonly ports: readonly ListedPort[];
  /** Whether anything behind it is ready; true where that is not known. */
  readonly ready: boolean;
}

export interface ListedPort {
  readonly number: number;
  readonly name: string;
  readonly appProtocol: string;
  readonly protocol: Protocol;
}

export interface ServiceList {
  readonly services: readonly ListedService[];
  /** There are more, which are left out. */
  readonly isCut: boolean;
}

/** Rejects with a `KubeError`. What was looked at is good for five seconds, for all who ask. */
export type ListServices = (namespace: string, signal: AbortSignal) => Promise<ServiceList>;

export interface ListServicesDeps {
  readonly client: Pick<KubeClient, "list">;
  /** Whether Services are reached at their endpoints; else it is by the pods that they select. */
  readonly inCluster: boolean;
  /** Whether nobody may be led to this address and port, whatever a Service says. */
  isKeptOut(address: string, port: number): boolean;
  readonly clock: Clock;
}

const freshMs = 5_000;
/** Of one look, in milliseconds. */
const timeoutMs = 10_000;
const pageSize = 500;
/** Of one namespace. */
const mostServices = 2_000;
const mostSlices = 10_000;
/** Namespaces that are remembered. */
const mostKnown = 256;

interface Look {
  readonly at: number;
  readonly list: Promise<ServiceList>;
}

export function createListServices(deps: ListServicesDeps): ListServices {
  const { client, clock } = deps;
  const known = new Map<string, Look>();

  async function read<T>(kind: ResourceKind<T>, most: number, scope: ListOptions, signal: AbortSignal) {
    const items: T[] = [];
    let page = await client.list(kind, { ...scope, limit: pageSize }, signal);
    items.push(...page.items);
    while (page.continue !== undefined && items.length < most) {
      page = await client.list(kind, { ...scope, limit: pageSize, continue: page.continue }, signal);
      items.push(...page.items);
    }
    return { items: items.slice(0, most), isCut: items.length > most || page.continue !== undefined };
  }

  async function look(namespace: string): Promise<ServiceList> {
    const tooLate = () => new KubeError({ status: 0, reason: "TimedOut", message: "The API server did not answer." });
    const deadline = startDeadline(clock, timeoutMs, tooLate);
    try {
      const [found, slices] = await Promise.all([
        read(services, mostServices, { namespace }, deadline.signal),
        read(endpointSlices, mostSlices, { namespace }, deadline.signal),
      ]);
      const behind = endpointsBy(slices.items);
      const listed = found.items.flatMap((service) => {
        const { name = "" } = service.metadata;
        return toListed(deps, service, behind.get(name) ?? [], slices.isCut) ?? [];
      });
      return { services: listed, isCut: found.isCut };
    } finally {
      deadline.cancel();
    }
  }

  return (namespace, signal) => {
    const before = known.get(namespace);
    if (before && clock.monotonic() - before.at < freshMs) return abortable(before.list, signal);
    known.delete(namespace);
    const [oldest] = known.keys();
    if (known.size >= mostKnown && oldest !== undefined) known.delete(oldest);
    const now = { at: clock.monotonic(), list: look(namespace) };
    // What failed is asked for again by the next who comes, and fails for those who wait for it now.
    now.list.catch(() => known.get(namespace) === now && known.delete(namespace));
    known.set(namespace, now);
    return abortable(now.list, signal);
  };
}

interface Endpoint {
  readonly address: string;
  /** By the name of the Service's port. */
  readonly ports: ReadonlyMap<string, number>;
}

/** What is ready, by the Service's name. */
function endpointsBy(slices: readonly EndpointSlice[]): Map<string, Endpoint[]> {
  const found = new Map<string, Endpoint[]>();
  for (const { metadata, endpoints, ports } of slices) {
    const name = metadata.labels?.["kubernetes.io/service-name"] ?? "";
    const numbers = new Map((ports ?? []).map((port) => [port.name ?? "", port.port ?? 0]));
    // The API server writes null where it has none. Ready unless said, as Kubernetes has it.
    const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
    const listed = ready.flatMap(({ addresses }) =>
      addresses.slice(0, 1).map((address) => ({ address, ports: numbers })),
    );
    found.set(name, [...(found.get(name) ?? []), ...listed]);
  }
  return found;
}

/** Undefined for a name of something outside, and for what leads only where nobody is let. */
function toListed(
  { inCluster, isKeptOut }: Pick<ListServicesDeps, "inCluster" | "isKeptOut">,
  { metadata, spec }: Service,
  behind: readonly Endpoint[],
  isUnknown: boolean,
): ListedService | undefined {
  if (spec?.type === "ExternalName") return undefined;
  const placesOf = (name: string) =>
    behind.flatMap(({ address, ports }) => {
      const port = ports.get(name);
      return port === undefined ? [] : [{ address, port }];
    });
  const isOpen = (name: string): boolean => placesOf(name).some(({ address, port }) => !isKeptOut(address, port));
  const ports = (["TCP", "UDP"] as const)
    .filter((protocol) => inCluster || protocol === "TCP")
    .flatMap((protocol) => portsOf(spec?.ports ?? [], protocol))
    .filter(({ name }) => !inCluster || placesOf(name).length === 0 || isOpen(name));
  const ready = isUnknown || ports.some(({ name }) => placesOf(name).length > 0);
  return { name: metadata.name ?? "", ports, ready };
}

function portsOf(ports: readonly ServicePort[], spoken: Protocol): ListedPort[] {
  return ports
    .filter(({ protocol = "TCP" }) => protocol === spoken)
    .map(({ port, name = "", appProtocol = "" }) => ({ number: port, name, appProtocol, protocol: spoken }));
}
