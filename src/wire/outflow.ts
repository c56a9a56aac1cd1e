import type { Clock } from "../base/clock.ts";
import { Flight } from "./flight.ts";
import type { SessionError } from "./reason.ts";
import { countFrames, Replay } from "./replay.ts";
import type { Streams } from "./streams.ts";

export interface OutflowDeps {
  /** Whether what was sent is kept for another carrier. */
  readonly resumable: boolean;
  readonly clock: Clock;
  /** Bytes that are kept for another carrier at most, and told when they are acknowledged too late. */
  readonly mostBytes: number;
  late(error: SessionError): void;
  /** The other end has acknowledged something for the first time. */
  arrived(): void;
  readonly streams: Pick<Streams, "pull" | "bulkWaits">;
}

/** What a session sends: what must be said again first, then what its streams have, within what may be under way. */
export class Outflow {
  readonly #deps: OutflowDeps;
  readonly #replay: Replay;
  #flight: Flight;
  /** Counted frames that were sent, where none is kept. */
  #frames = 0;
  /** How many the other end has said that it has. */
  #acknowledged = 0;

  constructor(deps: OutflowDeps) {
    this.#deps = deps;
    this.#replay = new Replay(deps);
    this.#flight = new Flight();
  }

  /** Bytes that are kept until they are acknowledged. */
  get keptBytes(): number {
    return this.#replay.bytes;
  }

  /** It goes on at another carrier, of which nothing is known. */
  restart(): void {
    this.#flight = new Flight();
  }

  /** No Ack can come now. */
  rest(): void {
    this.#replay.rest();
  }

  /** The other end goes on behind `received`; with `again`, what it has not received is said again. Throws a SessionError when that cannot be. */
  resumed(received: number, again: boolean): void {
    this.#replay.acknowledge(received, true);
    this.#acknowledged = received;
    if (again) this.#replay.rewind();
  }

  /** The other end has so many. True when more may be sent by it. Throws a SessionError when that cannot be. */
  acknowledged(received: number): boolean {
    const wasFull = this.#replay.full || this.#flight.full;
    if (this.#deps.resumable) this.#replay.acknowledge(received);
    this.#flight.acknowledged(received, this.#deps.clock.monotonic());
    if (received > this.#acknowledged) this.#deps.arrived();
    this.#acknowledged = Math.max(received, this.#acknowledged);
    return wasFull;
  }

  /** Adds frames to send, about `budget` bytes at most, to `out`; returns their bytes. */
  pull(out: Uint8Array[], budget: number): number {
    const bytes = this.#deps.resumable ? this.#pullKept(out, budget) : this.#pullNew(out, budget);
    if (bytes > 0) {
      const last = this.#deps.resumable ? this.#replay.written : this.#frames;
      this.#flight.sent(last, bytes, this.#deps.clock.monotonic());
    }
    return bytes;
  }

  clear(): void {
    this.#replay.clear();
    this.restart();
  }

  #pullKept(out: Uint8Array[], budget: number): number {
    const bytes = this.#replay.pull(out, budget);
    if (this.#replay.full) this.#replay.awaitAck();
    if (bytes >= budget || this.#replay.pending || this.#replay.full) return bytes;
    const from = out.length;
    const more = this.#pullStreams(out, budget - bytes);
    this.#replay.keep(out, from);
    return bytes + more;
  }

  #pullNew(out: Uint8Array[], budget: number): number {
    const from = out.length;
    const bytes = this.#pullStreams(out, budget);
    this.#frames += countFrames(out, from);
    return bytes;
  }

  #pullStreams(out: Uint8Array[], budget: number): number {
    const { streams } = this.#deps;
    const { room, batchBytes } = this.#flight;
    const bytes = streams.pull(out, Math.min(budget, batchBytes), room);
    if (room !== "all" && streams.bulkWaits) this.#flight.hold();
    return bytes;
  }
}
