/** The way to Services of this cluster that the policy names. */
import type { Duplex } from "node:stream";
import { abortable, startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import { isNotFound, KubeError } from "../kube/errors.ts";
import { Reason } from "../wire/reason.ts";
import type { PortName, ServiceTarget } from "../wire/target-text.ts";
import { connectDatagrams, connectService } from "./connect-service.ts";
import { type Refusal, refusalOf } from "./refusal.ts";
import { noDatagramsHere, type Way } from "./way.ts";

/** A port of a Service, looked up. */
export interface FoundService<T> {
  /** Its number. */
  readonly port: number;
  /** A connection to one of what is ready behind it. A stream allows half-open. */
  dial(signal: AbortSignal): Promise<T>;
}

/** Rejects with a `KubeError`: NotFound, Forbidden, and what else can be with an API server. */
export type ServiceFinder<T = Duplex> = (
  ref: { namespace: string; name: string },
  port: PortName | undefined,
  signal: AbortSignal,
) => Promise<FoundService<T>>;

export interface ServiceWayDeps {
  findService: ServiceFinder;
  /** Looks among the ports of UDP; without it none is reached. */
  findDatagramService?: ServiceFinder<DatagramPipe>;
  clock: Clock;
  /** To look it up, and as long again to connect, in milliseconds; 10,000 unless given. */
  connectTimeoutMs?: number;
}

export function createServiceWay(deps: ServiceWayDeps): Way<ServiceTarget> {
  const { clock, connectTimeoutMs: timeoutMs = 10_000 } = deps;
  return {
    async find(_caller, target, signal) {
      const tooLate = () => new KubeError({ status: 0, reason: "TimedOut", message: "The API server did not answer." });
      const { findService, findDatagramService } = deps;
      const deadline = startDeadline(clock, timeoutMs, tooLate, signal);
      const look = async <T>(find: ServiceFinder<T>) => {
        const found = await abortable(find(target, target.port, deadline.signal), deadline.signal);
        const { port } = found;
        const dial = (stop: AbortSignal) => found.dial(stop);
        return { target: { ...target, port }, to: { dial, what: "Service", port, clock, timeoutMs } };
      };
      try {
        if (target.network !== "udp") {
          const { to, ...found } = await look(findService);
          return { ok: true, ...found, opening: { connect: (stop) => connectService(to, stop) } };
        }
        if (!findDatagramService) return noDatagramsHere;
        const { to, ...found } = await look(findDatagramService);
        return { ok: true, ...found, opening: { connectDatagrams: (stop) => connectDatagrams(to, stop) } };
      } catch (error) {
        return { ok: false, refusal: explain(error, target) };
      } finally {
        deadline.cancel();
      }
    },
  };
}

/** What the caller may know, who may reach the Service; not what the API server or the system say in their own words. */
function explain(error: unknown, { namespace, name, port, network }: ServiceTarget): Refusal {
  const protocol = network === "udp" ? "UDP" : "TCP";
  const service = `the Service ${namespace}/${name}`;
  if (isNotFound(error)) {
    const at =
      port === undefined ? `a ${protocol} port of its own that leads into the cluster` : `${protocol} port ${port}`;
    const message = `There is no such thing here as ${service} with ${at}.`;
    return { ...refusalOf["not-found"], message };
  }
  if (error instanceof KubeError && (error.status === 401 || error.status === 403)) {
    const message = `The peer's agent lacks the right to read Services in the namespace ${namespace}, so it cannot reach ${service}; whoever runs it can grant that (docs/rbac.md, "Where peers reach Services").`;
    return { reason: Reason.UNREACHABLE, message, verdict: "failed", rule: "rbac/services" };
  }
  const message = `The peer's agent could not look up ${service}, since its cluster's API does not answer as it should.`;
  return { reason: Reason.UNREACHABLE, message, verdict: "failed" };
}
