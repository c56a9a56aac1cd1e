/**
 * Connections to Services. In the cluster that is TCP to the Service's name; outside of it no Service can be reached, and
 * the API server forwards a port of one of the ready pods behind it instead.
 */
import net from "node:net";
import type { Duplex } from "node:stream";
import { abortable } from "../base/abort.ts";
import type { KubeClient } from "./client.ts";
import { fromTransport, KubeError } from "./errors.ts";
import { keyOf, type ObjectRef } from "./object.ts";
import { isReady, type PodAccess } from "./pods.ts";
import { type Pod, pods, type Service, services } from "./resources.ts";

/** Opens a connection to a port, by its number or name, of a Service. Throws a `KubeError`. */
export type DialService = (ref: ObjectRef, port: number | string, signal: AbortSignal) => Promise<Duplex>;

export interface DialServiceDeps {
  client: Pick<KubeClient, "get" | "list">;
  portForward: PodAccess["portForward"];
  /** Whether this runs in the cluster, where Services have addresses. */
  inCluster: boolean;
  /** [0, 1); Math.random unless given. */
  random?: () => number;
}

export function createDialService(deps: DialServiceDeps): DialService {
  return async (ref, port, signal) => {
    if (deps.inCluster && typeof port === "number") return dialTcp(`${ref.name}.${ref.namespace}.svc`, port, signal);
    const service = await deps.client.get(services, ref, signal);
    if (!service) throw missing(`there is no Service ${keyOf(ref)}`);
    const found = findPort(service, port);
    if (!found) throw missing(`the Service ${keyOf(ref)} has no TCP port ${port}`);
    if (deps.inCluster) return dialTcp(`${ref.name}.${ref.namespace}.svc`, found.port, signal);
    return dialPod(deps, service, found.targetPort ?? found.port, signal);
  };
}

export type ServicePort = NonNullable<NonNullable<Service["spec"]>["ports"]>[number];

export type Protocol = "TCP" | "UDP";

/** The Service's port of that number or name, or the first, among those of the protocol. */
export function findPort(
  service: Service,
  port: number | string | undefined,
  protocol: Protocol = "TCP",
): ServicePort | undefined {
  const ports = service.spec?.ports?.filter((each) => (each.protocol ?? "TCP") === protocol);
  return ports?.find((each) => port === undefined || each.port === port || each.name === port);
}

/** The number that a Service's targetPort means in one pod. */
export function resolveTargetPort(pod: Pod, target: number | string): number | undefined {
  if (typeof target === "number") return target;
  const ports = pod.spec?.containers.flatMap((container) => container.ports ?? []);
  return ports?.find(({ name, protocol }) => name === target && protocol !== "UDP")?.containerPort;
}

/** Through the API server, to a ready pod of those that the Service selects. */
export async function dialPod(
  deps: DialServiceDeps,
  service: Service,
  target: number | string,
  signal: AbortSignal,
): Promise<Duplex> {
  const { namespace } = service.metadata;
  const selector = Object.entries(service.spec?.selector ?? {}).map(([name, value]) => `${name}=${value}`);
  if (selector.length === 0) throw missing(`the Service ${keyOf(service)} selects no pods`);
  const behind = await deps.client.list(pods, { namespace, labelSelector: selector.join(",") }, signal);
  const ready = behind.items.filter(isReady);
  const chosen = ready[Math.floor((deps.random ?? Math.random)() * ready.length)];
  if (!chosen) {
    const message = `Could not connect: none of the ${behind.items.length} pods behind the Service ${keyOf(service)} is ready.`;
    throw new KubeError({ status: 503, reason: "NoReadyPods", message });
  }
  const port = resolveTargetPort(chosen, target);
  if (port === undefined) throw missing(`the Pod ${keyOf(chosen)} has no port named ${target}`);
  return deps.portForward({ namespace, name: chosen.metadata.name ?? "" }, port, signal);
}

/** How long a TCP connection in the cluster may take to open, in milliseconds. */
const connectTimeoutMs = 10_000;

/** By a name, or an address. */
export async function dialTcp(host: string, port: number, signal: AbortSignal): Promise<Duplex> {
  const attempt = { what: `connect to ${host}:${port}`, server: host };
  const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true, keepAlive: true });
  const opened = new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
    socket.setTimeout(connectTimeoutMs, () => reject(new Error("no connection within 10 s")));
  });
  try {
    await abortable(opened, signal);
    socket.setTimeout(0);
    socket.removeAllListeners("timeout");
    return socket;
  } catch (error) {
    socket.on("error", () => undefined).destroy();
    throw signal.aborted ? signal.reason : fromTransport(attempt, error);
  }
}

function missing(what: string): KubeError {
  return new KubeError({ status: 404, reason: "NotFound", message: `Could not connect: ${what}.` });
}
