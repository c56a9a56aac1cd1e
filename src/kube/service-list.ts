/** The Services of namespaces, each with its ports and whether anything is ready behind it, for who may know of them. */
import type { Clock } from "../base/clock.ts";
import type { KubeClient } from "./client.ts";
import { createFresh } from "./fresh.ts";
import { readPages } from "./pages.ts";
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

/** Of one namespace. */
const mostServices = 2_000;
const mostSlices = 10_000;

export function createListServices(deps: ListServicesDeps): ListServices {
  const { client, clock } = deps;
  return createFresh({
    clock,
    freshMs: 5_000,
    timeoutMs: 10_000,
    most: 256,
    async look(namespace, signal) {
      const [found, slices] = await Promise.all([
        readPages(client, services, { namespace, most: mostServices }, signal),
        readPages(client, endpointSlices, { namespace, most: mostSlices }, signal),
      ]);
      const behind = endpointsBy(slices.items);
      const listed = found.items.flatMap((service) => {
        const { name = "" } = service.metadata;
        return toListed(deps, service, behind.get(name) ?? [], slices.isCut) ?? [];
      });
      return { services: listed, isCut: found.isCut };
    },
  });
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
