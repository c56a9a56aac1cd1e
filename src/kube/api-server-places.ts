/** Where the API server answers, as far as the cluster says it: its addresses move with its control plane, so they are watched. */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { KubeClient } from "./client.ts";
import { createReflector } from "./reflector.ts";
import { endpointSlices } from "./resources.ts";

export interface ApiServerPlaces {
  /** Whether the API server answers at this address and port. */
  has(address: string, port: number): boolean;
  close(): Promise<void>;
}

/** `server` is the URL at which it is spoken with. Without the right to watch the EndpointSlice it is all that is known. */
export function createApiServerPlaces(deps: {
  client: Pick<KubeClient, "list" | "watch">;
  server: string;
  /** Whether two texts are one address: nodes and Services may say it in another spelling. */
  isSame(one: string, other: string): boolean;
  clock: Clock;
  log: Log;
}): ApiServerPlaces {
  const { client, isSame, clock, log } = deps;
  // RBAC can give the right to see this one object, and the chart does.
  const only = { namespace: "default", fieldSelector: "metadata.name=kubernetes" };
  const reflector = createReflector({ client, kind: endpointSlices, ...only, clock, log });
  const url = new URL(deps.server);
  const own = { address: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port || 443) };
  return {
    has(address, port) {
      if (port === own.port && isSame(address, own.address)) return true;
      return reflector.list().some(
        ({ endpoints, ports }) =>
          // The API server writes null where it has none.
          (ports ?? []).some((each) => each.port === port) &&
          (endpoints ?? []).some(({ addresses }) => addresses.some((each) => isSame(each, address))),
      );
    },
    close: () => reflector.close(),
  };
}
