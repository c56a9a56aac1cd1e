/** How fast an app's door lets through what comes, for all clients of the app together. */
import type { Clock } from "../../base/clock.ts";
import { createRateLimit, type RateLimit } from "../../base/rate-limit.ts";
import { ByteRate } from "../../tunnel/byte-rate.ts";
import { type AppView, plainDoor } from "./app-view.ts";

export interface AppRates {
  /** Takes a request; false when there have been too many in this second. */
  take(app: AppView): boolean;
  /** What the app's bytes are held to; undefined without a bound. */
  bytes(app: AppView): ByteRate | undefined;
  /** Forgets an app that is gone. */
  forget(namespace: string, name: string): void;
}

interface Rates {
  requests?: { readonly perSecond: number; readonly limit: RateLimit };
  bytes?: ByteRate;
}

export function createAppRates(clock: Clock): AppRates {
  const known = new Map<string, Rates>();

  function of({ namespace, name }: AppView): Rates {
    const key = `${namespace}/${name}`;
    const rates = known.get(key) ?? {};
    known.set(key, rates);
    return rates;
  }

  return {
    take(app) {
      const { requestsPerSecond: perSecond } = app.door ?? plainDoor;
      if (perSecond === undefined) return true;
      const rates = of(app);
      if (rates.requests?.perSecond !== perSecond) {
        rates.requests = { perSecond, limit: createRateLimit({ clock, burst: perSecond, perSecond }) };
      }
      return rates.requests.limit.take();
    },
    bytes(app) {
      const { bytesPerSecond: perSecond } = app.door ?? plainDoor;
      if (perSecond === undefined) return undefined;
      const rates = of(app);
      rates.bytes ??= new ByteRate(clock, perSecond);
      rates.bytes.perSecond = perSecond;
      return rates.bytes;
    },
    forget: (namespace, name) => void known.delete(`${namespace}/${name}`),
  };
}
