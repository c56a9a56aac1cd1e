/** How often strangers may have something done: so often for each network that they come from, and so often for all of them together. */
import { BoundedMap } from "./bounded-map.ts";
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

/** Networks that are told apart. The one that has come last longest ago goes. */
const mostNetworks = 1_000;

export function createNetworkLimits(o: { clock: Clock; each: Allowance; all: Allowance }): NetworkLimits {
  const { clock } = o;
  const all = createRateLimit({ clock, ...o.all });
  const networks = new BoundedMap<string, RateLimit>(mostNetworks);
  return {
    take(address) {
      const own = networks.touch(networkOf(address), () => createRateLimit({ clock, ...o.each }));
      if (!own.take()) return false;
      if (all.take()) return true;
      own.giveBack();
      return false;
    },
  };
}
