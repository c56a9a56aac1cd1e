/**
 * Which connection a port of a Service means, for who must not be led elsewhere by it. In the cluster that is one of the ready
 * endpoints, judged by its address and connected to by that address, so that what was looked at is what is reached: no name is
 * resolved, and nothing in between chooses. Outside it is a ready pod of the Service's own namespace.
 */

import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { BoundedMap } from "../base/bounded-map.ts";
import type { Clock } from "../base/clock.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import { connectUdp } from "../base/udp-socket.ts";
import type { KubeClient } from "./client.ts";
import { KubeError } from "./errors.ts";
import { keyOf } from "./object.ts";
import { type EndpointSlice, endpointSlices, type Service, services } from "./resources.ts";
import { noDatagrams } from "./service-datagrams.ts";
import { type DialServiceDeps, dialPod, dialTcp, findPort, type Protocol, type ServicePort } from "./services.ts";

/** A port of a Service, looked up. */
export interface FoundServicePort<T> {
  readonly port: number;
  /** To one of what is ready behind it. Throws a `KubeError`: NoReadyPods, Forbidden for an address that is not let. */
  dial(signal: AbortSignal): Promise<T>;
}

/** The port by its number or name, the first of its protocol unless given. Throws a `KubeError`: NotFound, Forbidden, and others. */
export type FindServicePort<T> = (
  ref: { namespace: string; name: string },
  port: number | string | undefined,
  signal: AbortSignal,
) => Promise<FoundServicePort<T>>;

/** A port of one protocol is never found by the other, also by the same number or name. */
export interface ServicePorts {
  readonly findTcp: FindServicePort<Duplex>;
  readonly findUdp: FindServicePort<DatagramPipe>;
}

export interface FindServicePortDeps extends DialServiceDeps {
  client: Pick<KubeClient, "get" | "list">;
  /** Whether nobody may be led to this address and port, whatever a Service says. */
  isKeptOut(address: string, port: number): boolean;
  clock: Clock;
  /** In place of TCP and UDP, for tests. */
  dialTcp?(host: string, port: number, signal: AbortSignal): Promise<Duplex>;
  connectUdp?(address: string, port: number, signal: AbortSignal): Promise<DatagramPipe>;
}

interface Known {
  readonly service: Service;
  /** Undefined outside of the cluster. */
  readonly slices: readonly EndpointSlice[] | undefined;
  readonly at: number;
}

/** What was looked up is good for so long, in milliseconds, and for so many Services: a page of connections is one question. */
const freshMs = 2_000;
const mostKnown = 256;

export function createServicePorts(deps: FindServicePortDeps): ServicePorts {
  const { client, clock, random = Math.random } = deps;
  const known = new BoundedMap<string, Known>(mostKnown);

  async function look(ref: { namespace: string; name: string }, signal: AbortSignal): Promise<Known> {
    const key = keyOf(ref);
    const before = known.get(key);
    if (before && clock.monotonic() - before.at < freshMs) return before;
    known.delete(key);
    const labelSelector = `kubernetes.io/service-name=${ref.name}`;
    const [service, slices] = await Promise.all([
      client.get(services, ref, signal),
      deps.inCluster ? client.list(endpointSlices, { namespace: ref.namespace, labelSelector }, signal) : undefined,
    ]);
    if (!service) throw notFound(`there is no Service ${key}`);
    const now = { service, slices: slices?.items, at: clock.monotonic() };
    known.set(key, now);
    return now;
  }

  function choose(key: string, slices: readonly EndpointSlice[], port: ServicePort, protocol: Protocol): Endpoint {
    const ready = slices.flatMap((slice) => readyEndpoints(slice, port.name ?? "", protocol));
    if (ready.length === 0) {
      const message = `Could not connect: nothing behind the Service ${key} is ready.`;
      throw new KubeError({ status: 503, reason: "NoReadyPods", message });
    }
    const open = ready.filter((one) => !deps.isKeptOut(one.address, one.port));
    const chosen = open[Math.floor(random() * open.length)];
    if (!chosen) {
      const message =
        "its endpoints are addresses that no peer is led to: loopback, link-local, those of the API server, or the agent's own for Forwards.";
      throw new KubeError({ status: 0, reason: "Forbidden", message });
    }
    return chosen;
  }

  /** `direct` connects to an endpoint in the cluster, `beside` to a pod from outside of it. */
  function finder<T>(
    protocol: Protocol,
    direct: (address: string, port: number, signal: AbortSignal) => Promise<T>,
    beside: (service: Service, port: ServicePort, signal: AbortSignal) => Promise<T>,
  ): FindServicePort<T> {
    return async (ref, port, signal) => {
      const { service, slices } = await look(ref, signal);
      const key = keyOf(ref);
      // It is a name in DNS, which whoever may write the Service lets lead anywhere.
      if (service.spec?.type === "ExternalName")
        throw notFound(`the Service ${key} is only a name for something outside`);
      const found = findPort(service, port, protocol);
      if (!found) throw notFound(`the Service ${key} has no such ${protocol} port`);
      return {
        port: found.port,
        async dial(stop) {
          if (!slices) return beside(service, found, stop);
          const to = choose(key, slices, found, protocol);
          // What is not there any more is looked up anew by the next.
          return direct(to.address, to.port, stop).catch((error: unknown) => {
            known.delete(key);
            throw error;
          });
        },
      };
    };
  }

  return {
    findTcp: finder("TCP", deps.dialTcp ?? dialTcp, (service, port, signal) =>
      dialPod(deps, service, port.targetPort ?? port.port, signal),
    ),
    findUdp: finder("UDP", deps.connectUdp ?? connectUdp, () => Promise.reject(noDatagrams())),
  };
}

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Those of one port of the Service, by the port's name. */
function readyEndpoints(
  { addressType, endpoints, ports }: EndpointSlice,
  name: string,
  protocol: Protocol,
): Endpoint[] {
  if (addressType !== "IPv4" && addressType !== "IPv6") return [];
  const number = ports?.find((port) => (port.name ?? "") === name && (port.protocol ?? "TCP") === protocol)?.port;
  if (number === undefined) return [];
  // The API server writes null where it has none. Ready unless said, as Kubernetes has it.
  const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
  const addresses = ready.flatMap(({ addresses }) => addresses.slice(0, 1)).filter((address) => isIP(address) !== 0);
  return addresses.map((address) => ({ address, port: number }));
}

function notFound(what: string): KubeError {
  return new KubeError({ status: 404, reason: "NotFound", message: `Could not connect: ${what}.` });
}
