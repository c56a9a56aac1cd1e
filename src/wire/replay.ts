import type { Clock, Timer } from "../base/clock.ts";
import { Reason, SessionError } from "./reason.ts";

/** Bytes kept of frames without data, at which nothing more is sent until the other end has acknowledged some. */
const mostOtherBytes = 4 * 1024 * 1024;

/** An Ack for which everything waits is due after 10 s; later than this, on a carrier that lives, it does not come. Milliseconds. */
const ackLateMs = 30_000;

export interface ReplayDeps {
  readonly clock: Clock;
  /** Bytes kept in all; no fewer than 4 MiB, since an Ack comes with each 256 KiB. */
  readonly mostBytes: number;
  /** No Ack has come, for which everything waits. */
  late(error: SessionError): void;
}

interface KeptFrame {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
}

/**
 * The counted frames that were sent and are not acknowledged, as they were written, so that another carrier gets them once
 * more to the byte. Data in it is bounded by the credit of its streams, and by `mostBytes` in all, for credit is the other end's to give;
 * everything else by 4 MiB. At either it is full.
 */
export class Replay {
  /** Oldest first; those before `#head` are acknowledged. */
  #frames: (KeptFrame | undefined)[] = [];
  #head = 0;
  /** How many frames were acknowledged in all: the number of the last one before `#head`. */
  #acknowledged = 0;
  /** The next to write again: an index into `#frames`, whose length says that there is none. */
  #next = 0;
  #otherBytes = 0;
  #bytes = 0;
  readonly #deps: ReplayDeps;
  /** Present while everything waits for an Ack. */
  #waiting: Timer | undefined;

  constructor(deps: ReplayDeps) {
    this.#deps = deps;
  }

  /** Bytes that it holds. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many counted frames were sent in the life of the session. */
  get sent(): number {
    return this.#acknowledged + this.#frames.length - this.#head;
  }

  /** The number of the last frame that was written on the present carrier, now or when it was first sent. */
  get written(): number {
    return this.#acknowledged + this.#next - this.#head;
  }

  /** Whether something has to be written again before anything new. */
  get pending(): boolean {
    return this.#next < this.#frames.length;
  }

  get full(): boolean {
    return this.#otherBytes >= mostOtherBytes || this.#bytes >= Math.max(this.#deps.mostBytes, mostOtherBytes);
  }

  /** Nothing more is sent before an Ack: watches that one comes. */
  awaitAck(): void {
    this.#waiting ??= this.#deps.clock.after(ackLateMs, () =>
      this.#deps.late(new SessionError(Reason.NOT_READING, "The other end does not acknowledge what it was sent.")),
    );
    this.#waiting.unref?.();
  }

  /** None can come now, or one has. */
  rest(): void {
    this.#waiting?.cancel();
    this.#waiting = undefined;
  }

  /** Keeps what is in `out` from the index `from` on: whole frames, each of which begins with a piece of its own. */
  keep(out: readonly Uint8Array[], from: number): void {
    for (let at = from; at < out.length; ) {
      const bytes = frameBytes(out[at]);
      const start = at;
      for (let rest = bytes; rest > 0; at++) rest -= out[at]?.length ?? rest;
      this.#frames.push({ pieces: out.slice(start, at), bytes });
      this.#bytes += bytes;
      if (at - start === 1) this.#otherBytes += bytes;
    }
    this.#next = this.#frames.length;
  }

  /** The other end has so many. Throws a SessionError when it never can, or, with `exactly`, when it had more before. */
  acknowledge(received: number, exactly = false): void {
    if (received > this.sent) throw wrong("acknowledged more frames than were sent");
    if (exactly && received < this.#acknowledged) throw wrong("has fewer frames than it had acknowledged");
    if (received > this.#acknowledged) this.rest();
    while (this.#acknowledged < received) {
      const frame = this.#frames[this.#head];
      this.#frames[this.#head] = undefined;
      this.#head += 1;
      this.#acknowledged += 1;
      if (frame === undefined) continue;
      this.#bytes -= frame.bytes;
      if (frame.pieces.length === 1) this.#otherBytes -= frame.bytes;
    }
    this.#next = Math.max(this.#next, this.#head);
    if (this.#head < 1024 ? this.#head < this.#frames.length : this.#head * 2 < this.#frames.length) return;
    this.#frames = this.#frames.slice(this.#head);
    this.#next -= this.#head;
    this.#head = 0;
  }

  /** Everything that is not acknowledged is to be written again. */
  rewind(): void {
    this.#next = this.#head;
  }

  /** Adds frames that are to be written again to `out`, about `budget` bytes of them; returns their bytes. */
  pull(out: Uint8Array[], budget: number): number {
    let bytes = 0;
    while (bytes < budget && this.#next < this.#frames.length) {
      const frame = this.#frames[this.#next];
      this.#next += 1;
      if (frame === undefined) continue;
      for (const piece of frame.pieces) out.push(piece);
      bytes += frame.bytes;
    }
    return bytes;
  }

  clear(): void {
    this.rest();
    this.#frames = [];
    this.#head = 0;
    this.#next = 0;
    this.#bytes = 0;
    this.#otherBytes = 0;
  }
}

/** How many frames there are in `out` from the index `from` on. */
export function countFrames(out: readonly Uint8Array[], from: number): number {
  let frames = 0;
  for (let at = from; at < out.length; frames++) {
    for (let rest = frameBytes(out[at]); rest > 0; at++) rest -= out[at]?.length ?? rest;
  }
  return frames;
}

/** The length of the frame that begins with this piece, its length prefix included. */
function frameBytes(piece: Uint8Array | undefined): number {
  let length = 0;
  for (let at = 0; ; at++) {
    const byte = piece?.[at] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return at + 1 + length;
  }
}

function wrong(what: string): SessionError {
  return new SessionError(Reason.PROTOCOL, `The other end ${what}.`);
}
