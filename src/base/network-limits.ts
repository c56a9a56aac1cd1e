/** How often strangers may have something done: so often for each network that they come from, and so often for all of them together. */
import type { Clock } from "./clock.ts";
import { networkOf } from "./network-of.ts";
import { createRateLimit, type RateLimit } from "./rate-limit.ts";

/** So much at once, and so much a second. */
interface Allowance {
  readonly burst: number;
  readonly perSecond: number;
}

export interface NetworkLimits {
  /** Takes one for who comes from this address; false when there is none left for now. */
  take(address: string): boolean;
}

/** Networks that are told apart. The one that was counted first goes. */
const mostNetworks = 1_000;

export function createNetworkLimits(o: { clock: Clock; each: Allowance; all: Allowance }): NetworkLimits {
  const { clock } = o;
  const all = createRateLimit({ clock, ...o.all });
  const networks = new Map<string, RateLimit>();
  return {
    take(address) {
      const network = networkOf(address);
      const own = networks.get(network) ?? createRateLimit({ clock, ...o.each });
      const [oldest] = networks.keys();
      if (!networks.has(network) && networks.size >= mostNetworks && oldest !== undefined) networks.delete(oldest);
      networks.set(network, own);
      if (!own.take()) return false;
      if (all.take()) return true;
      own.giveBack();
      return false;
    },
  };
}
