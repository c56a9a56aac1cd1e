/** gRPC's health service: whether the port takes calls, for load balancers and probes, which have no credentials. */
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Clock } from "../../base/clock.ts";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { tryLater } from "../try-later.ts";

export interface HealthServiceDeps {
  /** Full names. */
  readonly services: readonly string[];
  /** Whether the agent is ready for what they do. Is asked often, and must answer at once. */
  isServing(): boolean;
  readonly clock: Clock;
}

/** Watches at a time, over all callers. */
export const mostWatches = 256;
/** How long a change may stay unsaid. Shorter than what calls get when the agent stops. Milliseconds. */
const lookMs = 200;

export function createHealthService(deps: HealthServiceDeps): ServiceImpl<typeof Health> {
  const { clock } = deps;
  const names = new Set(["", ...deps.services]);
  let watches = 0;
  const now = (): Status => (deps.isServing() ? Status.SERVING : Status.NOT_SERVING);
  return {
    check({ service }) {
      if (!names.has(service)) throw new ConnectError(`There is no service ${service} here.`, Code.NotFound);
      return { status: now() };
    },

    list() {
      const status = now();
      return { statuses: Object.fromEntries([...names].map((name) => [name, { status }])) };
    },

    async *watch({ service }, { signal }) {
      if (watches >= mostWatches) {
        throw tryLater(`${mostWatches} callers watch already; use Check.`, { seconds: 5 });
      }
      watches += 1;
      try {
        for (let told: Status | undefined; !signal.aborted; ) {
          const status = names.has(service) ? now() : Status.SERVICE_UNKNOWN;
          if (status !== told) yield { status };
          told = status;
          await clock.sleep(lookMs, signal).catch(() => undefined);
        }
      } finally {
        watches -= 1;
      }
    },
  };
}
