import type { Clock } from "../base/clock.ts";
import type { LivingSession } from "./living-session.ts";
import { type CloseReason, Reason } from "./reason.ts";

/** Sessions held with one peer: one for each of its processes that was seen, and there should be one. */
const mostHeld = 8;
/** Beyond it nobody is believed: it would leave no higher numbers. */
const highestNumber = 2n ** 63n;

/**
 * What one process remembers of its carriers to one peer: which sessions it holds, and the number of the highest carrier that
 * it took. It lives as long as the process, so that no carrier of the past can come after one of the present.
 */
export class PeerSessions {
  readonly #clock: Pick<Clock, "now">;
  readonly #held = new Map<string, LivingSession>();
  /** The id of the session that was last over, by the process it was with. */
  readonly #ended = new Map<string, Uint8Array>();
  #numbered = 0n;
  #highest = 0n;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** The number of the next carrier, which the low end gives: higher than each before, and so are those of a later process. */
  number(): bigint {
    const now = BigInt(Math.max(1, Math.floor(this.#clock.now())));
    this.#numbered = now > this.#numbered ? now : this.#numbered + 1n;
    return this.#numbered;
  }

  /** The other end has taken a carrier of that number, so the next one's must be higher: the clock was set back. */
  taken(number: bigint): void {
    if (number > this.#numbered && number < highestNumber) this.#numbered = number;
  }

  /** The number of the highest carrier that was taken. */
  get highest(): bigint {
    return this.#highest;
  }

  /** Whether the carrier with this number counts; it is the highest one from then on. */
  takes(number: bigint): boolean {
    if (number <= this.#highest) return false;
    this.#highest = number;
    return true;
  }

  /** The session with that process of the peer. */
  find(instance: Uint8Array): LivingSession | undefined {
    const held = this.#held.get(key(instance));
    return held?.over ? undefined : held;
  }

  /**
   * Whether it was held with that process, and is over: what came in it was served, so it must not begin once more for an end that
   * never heard that it had begun.
   */
  hasEnded(instance: Uint8Array, id: Uint8Array): boolean {
    const held = this.#held.get(key(instance));
    const ended = held?.over ? held.id : this.#ended.get(key(instance));
    return ended !== undefined && key(ended) === key(id);
  }

  /** Sessions that are held. */
  get size(): number {
    return this.#held.size;
  }

  /** Ends them all, whether they have a carrier or wait for one. */
  close(reason: CloseReason): void {
    for (const session of [...this.#held.values()]) session.close(reason);
  }

  /** Holds it until it ends. One with the same process that was held before is over. */
  hold(session: LivingSession): void {
    const at = key(session.remote.instance);
    const before = this.#held.get(at);
    this.#held.set(at, session);
    void session.closed.then(() => {
      if (this.#held.get(at) !== session) return;
      this.#held.delete(at);
      this.#ended.delete(at);
      this.#ended.set(at, session.id);
      for (const oldest of this.#ended.keys()) {
        if (this.#ended.size <= mostHeld) break;
        this.#ended.delete(oldest);
      }
    });
    before?.lose("The other end no longer knows the session.");
    for (const [other, oldest] of this.#held) {
      if (this.#held.size <= mostHeld || other === at) break;
      this.#held.delete(other);
      oldest.close({ reason: Reason.REPLACED, message: "Newer processes of the same agent have come." });
    }
  }
}

function key(instance: Uint8Array): string {
  return Buffer.from(instance).toString("hex");
}
