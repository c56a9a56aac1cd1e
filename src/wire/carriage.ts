import type { Clock, Timer } from "../base/clock.ts";
import type { RoundTrip } from "./keepalive.ts";
import { Reason } from "./reason.ts";
import type { CarrierChange, CarrierFacts, SessionEnd } from "./session-face.ts";

/** What a session needs of the carrier that it is on. */
export interface SessionCarrier {
  /** What its opener says of it. */
  readonly facts: CarrierFacts;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly waitingBytes: number;
  /** How long nothing has come on it. */
  readonly silentMs: number;
  readonly roundTripMs: RoundTrip | undefined;
  /** Measures the round trip anew if that was some time ago. */
  refresh(): void;
  /** There is something to send. */
  wake(): void;
  /** The other end has acknowledged something more. */
  arrived(): void;
  /** The session is over, which the other end is to be told unless it said so. */
  end(why: SessionEnd, tell: boolean): void;
  /** The session goes on elsewhere: nothing counts any more that comes here. */
  detach(): void;
}

/** How long a session may take to be on the carrier to which the other end has moved it, before it counts as without one. Milliseconds. */
const movingMs = 2_000;

/** Which carrier a session is on, and what those before it were. */
export class Carriage {
  readonly #clock: Clock;
  readonly #listeners = new Set<(change: CarrierChange) => void>();
  #carrier: SessionCarrier | undefined;
  #facts: CarrierFacts = { dialled: false, remoteAddress: undefined };
  /** What carriers before the present one have moved. */
  #past = { bytesIn: 0, bytesOut: 0 };
  /** On which both ends have met. */
  #carriers = 0;
  #lostAt: number | undefined;
  /** When the present carrier was taken. */
  #takenAt = 0;
  /** How old the one before grew, and how long it was silent in the end. */
  #last = { ageMs: 0, silentMs: 0 };
  #moving: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get carrier(): SessionCarrier | undefined {
    return this.#carrier;
  }

  /** The least of the carrier that it is on, for somebody who goes by it. */
  get leastRoundTripMs(): number | undefined {
    this.#carrier?.refresh();
    return this.#carrier?.roundTripMs?.least;
  }

  /** Of the carrier that it is on, or of the last one. */
  get facts(): CarrierFacts {
    return this.#facts;
  }

  listen(listener: (change: CarrierChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** From now on it is this one, although the other end may not be there yet. */
  take(carrier: SessionCarrier): void {
    this.#moving?.cancel();
    this.#carrier = carrier;
    this.#facts = carrier.facts;
    this.#takenAt = this.#clock.monotonic();
  }

  /** Both ends are on it. */
  stands(): void {
    this.#carriers += 1;
    this.#lostAt = undefined;
    this.#tell({ kind: "stands", carrier: this.#facts });
  }

  /** It is no longer the session's. */
  release(): SessionCarrier | undefined {
    const carrier = this.#carrier;
    this.#carrier = undefined;
    if (carrier !== undefined) {
      const { bytesIn, bytesOut } = this.#past;
      this.#past = { bytesIn: bytesIn + carrier.bytesIn, bytesOut: bytesOut + carrier.bytesOut };
      this.#last = { ageMs: this.#clock.monotonic() - this.#takenAt, silentMs: carrier.silentMs };
    }
    return carrier;
  }

  /** There is none now, and the session waits for the next: for a moment only, and nobody is told, when the other end has moved to it. */
  lost(why: SessionEnd): void {
    if (why.reason !== Reason.REPLACED) {
      this.#lost(why);
      return;
    }
    this.#moving = this.#clock.after(movingMs, () => this.#lost(why));
    this.#moving.unref?.();
  }

  #lost(why: SessionEnd): void {
    if (this.#lostAt !== undefined) return;
    this.#lostAt = this.#clock.now();
    this.#tell({ kind: "lost", why, ...this.#last });
  }

  /** The session is over: nobody is told of anything any more. */
  close(): void {
    this.#moving?.cancel();
    this.#listeners.clear();
  }

  stats() {
    const { bytesIn = 0, bytesOut = 0, waitingBytes = 0, roundTripMs } = this.#carrier ?? {};
    return {
      roundTripMs: roundTripMs?.latest,
      bytesIn: this.#past.bytesIn + bytesIn,
      bytesOut: this.#past.bytesOut + bytesOut,
      waitingBytes,
      carriers: this.#carriers,
      resumes: Math.max(0, this.#carriers - 1),
      carrierlessSince: this.#lostAt,
    };
  }

  #tell(change: CarrierChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}
