/** How many connections a peer may have and open here, and how fast their bytes may pass, by its policy. */
import type { Clock } from "../base/clock.ts";
import type { Pace } from "../base/join.ts";
import { createRateLimit, type RateLimit } from "../base/rate-limit.ts";
import { defaultConnections, type TunnelLimits } from "../policy/effective-policy.ts";
import { ByteRate, paceOf } from "./byte-rate.ts";

interface Held {
  readonly rate: ByteRate;
  /** Of datagrams alone. They wait for nothing, so that without it a flood of them would leave streams nothing of the common rate. */
  readonly datagrams: ByteRate;
  opens: RateLimit | undefined;
  perSecond: number | undefined;
}

export class PeerLimits {
  readonly #clock: Clock;
  readonly #limitsOf: (fingerprint: string) => TunnelLimits | undefined;
  readonly #held = new Map<string, Held>();

  constructor(clock: Clock, limitsOf: (fingerprint: string) => TunnelLimits | undefined) {
    this.#clock = clock;
    this.#limitsOf = limitsOf;
  }

  /** Takes one connection of a peer that has so many; why not, if it may not have it. */
  take(fingerprint: string, connections: number): string | undefined {
    const limits = this.#limitsOf(fingerprint);
    const most = limits?.connections ?? defaultConnections;
    if (connections >= most) return `You have ${connections} connections here, as many as you may have.`;
    const perSecond = limits?.connectionsPerSecond;
    const held = this.#of(fingerprint);
    if (held.perSecond !== perSecond) {
      held.perSecond = perSecond;
      held.opens =
        perSecond === undefined ? undefined : createRateLimit({ clock: this.#clock, burst: perSecond, perSecond });
    }
    if (!held.opens || held.opens.take()) return undefined;
    return `You have opened ${perSecond} connections within a second, as many as you may.`;
  }

  /** What all connections of the peer share; `passed` is told of each piece of this one. */
  paceFor(fingerprint: string, passed: (bytes: number) => void): Pace {
    const { rate } = this.#of(fingerprint);
    this.#setRates(fingerprint);
    return paceOf([rate], passed);
  }

  /** Of one flow: whether a datagram of so many bytes may pass. Half of the peer's rate is for all that it has, the rest for streams. */
  datagramsFor(fingerprint: string): (bytes: number) => boolean {
    const { rate, datagrams } = this.#of(fingerprint);
    this.#setRates(fingerprint);
    return (bytes) => {
      if (datagrams.waitMs > 0) return false;
      datagrams.pay(bytes);
      rate.pay(bytes);
      return true;
    };
  }

  /** The policy of one peer or of all may be another now. */
  review(fingerprint?: string): void {
    for (const each of this.#held.keys()) {
      if (fingerprint === undefined || each === fingerprint) this.#setRates(each);
    }
  }

  #setRates(fingerprint: string): void {
    const { rate, datagrams } = this.#of(fingerprint);
    const bytesPerSecond = this.#limitsOf(fingerprint)?.bytesPerSecond;
    rate.perSecond = bytesPerSecond;
    datagrams.perSecond = bytesPerSecond === undefined ? undefined : bytesPerSecond / 2;
  }

  /** The peer has no connections any more, or is gone. What it may open within a second is remembered for so long by nobody else. */
  forget(isKnown: (fingerprint: string) => boolean): void {
    for (const fingerprint of this.#held.keys()) if (!isKnown(fingerprint)) this.#held.delete(fingerprint);
  }

  #of(fingerprint: string): Held {
    const known = this.#held.get(fingerprint);
    const rate = (): ByteRate => new ByteRate(this.#clock, undefined);
    const held = known ?? { rate: rate(), datagrams: rate(), opens: undefined, perSecond: undefined };
    if (!known) this.#held.set(fingerprint, held);
    return held;
  }
}
