import type { Duplex } from "node:stream";
import type { Timer } from "../../../src/base/clock.ts";
import type { Life, World } from "./world.ts";

/** What a way does to bytes. */
export interface Conditions {
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly bytesPerMs: number;
  /** Bytes that the kernels and the wire hold together before a write has to wait. */
  readonly holdsBytes: number;
  /** Longest piece that arrives at once; the pieces are cut anywhere. */
  readonly longestPiece: number;
}

type Item = { readonly at: number } & (
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "end" }
  | { readonly kind: "error"; readonly error: Error }
);

interface Writing {
  pieces: Uint8Array[];
  written(): void;
}

/** One direction of a connection. Bytes arrive in order, each once, or the rest of them never: that much TCP and TLS promise. */
export class Pipe {
  readonly #world: World;
  readonly #conditions: Conditions;
  readonly #from: Life;
  readonly #to: Life;
  readonly #name: string;
  readonly #reader: () => Duplex;
  #writing: Writing[] = [];
  #wire: Item[] = [];
  /** Taken from the writer and not arrived. */
  #held = 0;
  #departAt = 0;
  #arriveAt = 0;
  #timer: Timer | undefined;
  #stalledUntil = 0;
  #readerBusy = false;
  #over = false;

  constructor(world: World, o: { conditions: Conditions; from: Life; to: Life; name: string; reader: () => Duplex }) {
    this.#world = world;
    this.#conditions = o.conditions;
    this.#from = o.from;
    this.#to = o.to;
    this.#name = o.name;
    this.#reader = o.reader;
  }

  write(pieces: Uint8Array[], written: () => void): void {
    this.#writing.push({ pieces, written });
    this.#take();
  }

  /** Behind all that was written. */
  end(): void {
    if (this.#over) return;
    this.#put({ kind: "end", at: this.#nextArrival(0) });
    this.#over = true;
  }

  /** Something between the ends says that it is over: part of what is under way arrives, then the error. */
  break(message: string): void {
    const keep = this.#world.random.chance(0.5) ? this.#world.random.between(0, this.#wire.length) : this.#wire.length;
    this.#wire.length = Math.min(this.#wire.length, keep);
    this.#writing = [];
    this.#over = true;
    const at = Math.max(this.#wire.at(-1)?.at ?? 0, this.#world.now + this.#world.random.next() * this.#latency());
    this.#put({ kind: "error", error: Object.assign(new Error(message), { code: "ECONNRESET" }), at });
  }

  /** The writer is gone, orderly or not: orderly if the end was on its way already. */
  abandon(): void {
    if (!this.#over) this.break("The other end is gone.");
  }

  /** The reader is gone. */
  close(): void {
    this.#timer?.cancel();
    this.#wire = [];
    this.#writing = [];
    this.#over = true;
  }

  /** Nothing moves before `until`, which may be never. */
  stall(until: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, until);
  }

  /** The reader has room again. */
  resume(): void {
    if (!this.#readerBusy) return;
    this.#readerBusy = false;
    this.#arm();
  }

  #take(): void {
    const { holdsBytes } = this.#conditions;
    while (this.#writing.length > 0 && !this.#over && this.#held < holdsBytes) {
      const bytes = this.#gather(Math.min(holdsBytes - this.#held, this.#cut()));
      if (bytes.length === 0) continue;
      this.#held += bytes.length;
      this.#put({ kind: "bytes", bytes, at: this.#nextArrival(bytes.length) });
    }
  }

  /**
   * The next bytes, whatever writes they came by: a stream of bytes knows no bounds of writes. A copy of its own, so that whoever
   * changes or uses again what it has written is found out.
   */
  #gather(most: number): Uint8Array {
    const taken: Uint8Array[] = [];
    let room = most;
    for (let first = this.#writing[0]; first !== undefined && room > 0; first = this.#writing[0]) {
      const piece = first.pieces.shift();
      if (piece === undefined) {
        this.#writing.shift();
        this.#from.soon("written", first.written);
        continue;
      }
      if (piece.length > room) first.pieces.unshift(piece.subarray(room));
      taken.push(piece.subarray(0, room));
      room -= Math.min(room, piece.length);
    }
    const bytes = Buffer.allocUnsafeSlow(most - room);
    let at = 0;
    for (const piece of taken) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  #cut(): number {
    const { random } = this.#world;
    const { longestPiece } = this.#conditions;
    return random.chance(0.6) ? longestPiece : random.between(1, longestPiece);
  }

  #latency(): number {
    return this.#conditions.latencyMs + this.#world.random.next() * this.#conditions.jitterMs;
  }

  #nextArrival(bytes: number): number {
    this.#departAt = Math.max(this.#departAt, this.#world.now) + bytes / this.#conditions.bytesPerMs;
    this.#arriveAt = Math.max(this.#arriveAt, this.#departAt + this.#latency());
    return this.#arriveAt;
  }

  #put(item: Item): void {
    this.#wire.push(item);
    if (this.#wire.length === 1) this.#arm();
  }

  #arm(): void {
    this.#timer?.cancel();
    const first = this.#wire[0];
    if (first === undefined || this.#readerBusy || this.#stalledUntil === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#to.at(Math.max(first.at, this.#stalledUntil), `arrive ${this.#name}`, () => this.#arrive());
  }

  #arrive(): void {
    if (this.#world.now < this.#stalledUntil) {
      this.#arm();
      return;
    }
    const item = this.#wire.shift();
    const reader = this.#reader();
    if (item === undefined || reader.destroyed) return;
    if (item.kind === "bytes") {
      if (this.#world.logged) this.#world.log(`  ${item.bytes.length} bytes, sum ${checksum(item.bytes)}`);
      this.#readerBusy = !reader.push(item.bytes);
      this.#arrived(item.bytes.length);
    } else if (item.kind === "end") {
      reader.push(null);
    } else {
      reader.destroy(item.error);
    }
    this.#arm();
  }

  #arrived(bytes: number): void {
    this.#held -= bytes;
    if (this.#writing.length === 0) return;
    this.#from.at(this.#world.now + this.#latency(), "room", () => this.#take());
  }
}

function checksum(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  return sum;
}
