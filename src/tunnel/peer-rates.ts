/** How fast this end asks each of its peers over HTTP, for all who come to its doors together. */
import type { Clock } from "../base/clock.ts";
import { createRateLimit, type RateLimit } from "../base/rate-limit.ts";
import { ByteRate } from "./byte-rate.ts";

/** Of one peer each. Without a number there is no bound. */
export interface PeerRateLimits {
  readonly requestsPerSecond?: number | undefined;
  /** Both ways together. */
  readonly bytesPerSecond?: number | undefined;
}

export class PeerRates {
  readonly #clock: Clock;
  readonly #limits: PeerRateLimits;
  readonly #requests = new Map<string, RateLimit>();
  readonly #bytes = new Map<string, ByteRate>();

  constructor(clock: Clock, limits: PeerRateLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Takes a request; why not, when there have been too many in this second. As many as that may come at once. */
  take(peer: string): string | undefined {
    const { requestsPerSecond: perSecond } = this.#limits;
    if (perSecond === undefined) return undefined;
    const limit = this.#requests.get(peer) ?? createRateLimit({ clock: this.#clock, burst: perSecond, perSecond });
    this.#requests.set(peer, limit);
    if (limit.take()) return undefined;
    return `The doors here ask ${peer} for ${perSecond} things a second, of all who come together.`;
  }

  /** What the bytes of its connections are held to; undefined without a bound. */
  bytes(peer: string): ByteRate | undefined {
    const { bytesPerSecond } = this.#limits;
    if (bytesPerSecond === undefined) return undefined;
    const rate = this.#bytes.get(peer) ?? new ByteRate(this.#clock, bytesPerSecond);
    this.#bytes.set(peer, rate);
    return rate;
  }
}
