/**
 * How much may be under way: sent, and not yet acknowledged by the session at the other end. What is sent beyond what the pipe holds only waits in
 * somebody's buffer, a kernel's or a router's, and everything that comes later waits behind it. So the window follows the delay: acknowledgements
 * that come later than the pipe needs tell of a queue. Times come from the caller, in milliseconds.
 *
 * The idea of a window from delay is that of TCP Vegas (RFC 6817 for LEDBAT's form of it), the one of a rate sampled by rounds and of a round trip that is
 * measured anew now and then that of BBR (draft-ietf-ccwg-bbr).
 */
import type { Room } from "./scheduler.ts";

const KiB = 1024;

/** May always be under way. */
const leastBytes = 64 * KiB;
/** To begin with, and beside twice what the pipe holds at most: so much two busy processes need for turns on either side. */
const besideBytes = 256 * KiB;

/** Beyond the window, for streams that send little. */
const lightBytes = 128 * KiB;

/** The queue that is aimed at, as a part of the round trip, and its bounds. */
const aimPart = 1 / 8;
const leastAimMs = 4;
const mostAimMs = 12;

/** A round is judged by its quickest acknowledgement, so one that is shorter than this has too few. */
const leastRoundMs = 5;
/** From one round to the next, at most. */
const mostGrowth = 1.25;
const leastGrowth = 0.8;
/** A rate counts for less with each round. */
const rateDecay = 0.9;

/** The round trip is measured anew after so long, by letting the queue run dry for some rounds. */
const freshMs = 10_000;
const dryRounds = 2;

interface Batch {
  /** The number of its last frame. */
  readonly frame: number;
  readonly bytes: number;
  readonly sentAt: number;
}

/** What is under way on one carrier, and how much may be. */
export class Flight {
  /** Oldest first, from `#head` on. */
  #batches: Batch[] = [];
  #head = 0;
  #bytes = 0;
  #lastFrame = 0;
  #window = besideBytes;
  /** As long as nothing has shown how much is too much. */
  #young = true;

  // The round that is under way: until a frame comes back that was sent after it began.
  #roundFrame = 0;
  #roundStartedAt = 0;
  #roundBytes = 0;
  #roundLeastMs = Number.POSITIVE_INFINITY;
  /** Whether something had to wait in it. */
  #held = false;

  /** Bytes a millisecond, as it was lately. */
  #rate = 0;
  /** The quickest acknowledgement since the round trip was measured anew, and before. */
  #leastMs = Number.POSITIVE_INFINITY;
  #leastBeforeMs = Number.POSITIVE_INFINITY;
  #freshSince = 0;
  #dry = 0;

  /** Bytes that are under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether not everything may be sent. */
  get full(): boolean {
    return this.#bytes >= this.window;
  }

  /** What may be sent now. */
  get room(): Room {
    const { window } = this;
    if (this.#bytes < window) return "all";
    return this.#bytes < window + lightBytes ? "light" : "urgent";
  }

  /** Bytes that may be under way now. */
  get window(): number {
    if (this.#dry === 0) return this.#window;
    const base = this.#baseMs;
    return Math.max(leastBytes, (this.#window * 0.9 * base) / (base + aimOf(base)));
  }

  /** Bytes that one write should hold at most, so that it is not all that may be under way. */
  get batchBytes(): number {
    return this.#window >= besideBytes ? Number.POSITIVE_INFINITY : Math.floor(this.#window / 4);
  }

  /** Something waits because it is full. */
  hold(): void {
    this.#held = true;
  }

  /** Bytes were sent, the last of them in the frame of this number. */
  sent(frame: number, bytes: number, nowMs: number): void {
    if (this.#bytes === 0) this.#beginRound(nowMs);
    this.#batches.push({ frame, bytes, sentAt: nowMs });
    this.#bytes += bytes;
    this.#lastFrame = frame;
  }

  /** All frames up to this number have come. */
  acknowledged(frame: number, nowMs: number): void {
    let newest: Batch | undefined;
    for (
      let next = this.#batches[this.#head];
      next !== undefined && next.frame <= frame;
      next = this.#batches[this.#head]
    ) {
      newest = next;
      this.#head += 1;
      this.#bytes -= next.bytes;
      this.#roundBytes += next.bytes;
    }
    if (newest === undefined) return;
    if (this.#head === this.#batches.length || this.#head >= 64) {
      this.#batches = this.#batches.slice(this.#head);
      this.#head = 0;
    }
    const tookMs = nowMs - newest.sentAt;
    this.#roundLeastMs = Math.min(this.#roundLeastMs, tookMs);
    this.#leastMs = Math.min(this.#leastMs, tookMs);
    if (newest.frame <= this.#roundFrame || nowMs - this.#roundStartedAt < leastRoundMs) return;
    this.#judge(nowMs);
    this.#beginRound(nowMs);
  }

  get #baseMs(): number {
    return Math.min(this.#leastMs, this.#leastBeforeMs);
  }

  #beginRound(nowMs: number): void {
    this.#roundFrame = this.#lastFrame;
    this.#roundStartedAt = nowMs;
    this.#roundBytes = 0;
    this.#roundLeastMs = Number.POSITIVE_INFINITY;
    this.#held = false;
  }

  #judge(nowMs: number): void {
    // A round in which nothing waited tells how quick the pipe is, and not how much it could hold.
    if (!this.#held) return;
    const rate = this.#roundBytes / (nowMs - this.#roundStartedAt);
    this.#rate = Math.max(rate, this.#rate * rateDecay);
    if (this.#dry > 0) {
      this.#dry -= 1;
      return;
    }
    if (nowMs - this.#freshSince >= freshMs) {
      if (this.#freshSince > 0) this.#dry = dryRounds;
      this.#freshSince = nowMs;
      this.#leastBeforeMs = this.#leastMs;
      this.#leastMs = this.#roundLeastMs;
    }
    const base = this.#baseMs;
    const aim = aimOf(base);
    const queue = this.#roundLeastMs - base;
    if (queue > aim) this.#young = false;
    const growth = this.#young ? 2 : clamp((base + aim) / (base + queue), leastGrowth, mostGrowth);
    this.#window = clamp(this.#window * growth, leastBytes, 2 * this.#rate * base + besideBytes);
  }
}

function aimOf(baseMs: number): number {
  return clamp(baseMs * aimPart, leastAimMs, mostAimMs);
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
