import type { Duplex } from "node:stream";
import { create } from "@bufbuild/protobuf";
import type { Clock, Timer } from "../base/clock.ts";
import { YoungHeap } from "../base/young-heap.ts";
import { type Frame, PingSchema, PongSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";
import { FrameDecoder, type FrameReader } from "./decoder.ts";
import { encodeFrame } from "./frame.ts";
import { Keepalive, type RoundTrip } from "./keepalive.ts";
import { type Limits, maxDataBytes } from "./limits.ts";
import { SessionError } from "./reason.ts";

const KiB = 1024;

/**
 * One write holds about so many bytes, and a frame more at most: fewer on a slow connection, where what was written
 * delays all that comes later. More than one full frame made writes slower, for then less stays in the processor's cache.
 */
const minBatchBytes = 4 * KiB;
const maxBatchBytes = maxDataBytes;
/** Of a connection of which nothing is known: so much is acknowledged each few seconds even by a slow one. */
const firstBatchBytes = 16 * KiB;

/**
 * A batch that took longer to leave makes the next one half as large; a quicker one, twice, if something was acknowledged since
 * the last time: a kernel takes a lot quickly that then goes slowly.
 */
const slowBatchMs = 250;
const quickBatchMs = 50;

/**
 * After so much reading, in milliseconds, others have their turn. A connection that brings 64 KiB of tiny frames at a
 * time, 32 times a turn of the event loop as Node reads them, would else hold up all other links for seconds.
 */
const readingMs = 2;

/** How long the last words may take to leave before the connection is torn down. */
const partingMs = 2_000;

export interface CarrierDeps {
  /** An authenticated byte stream, owned by the carrier from now on. */
  readonly duplex: Duplex;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Takes the frames that are not the carrier's own. May throw a SessionError, which comes back as `failed`. */
  readonly reader: FrameReader;
  readonly random?: () => number;
  /** Adds frames to send, about `budget` bytes at most, to `out`; returns their bytes. */
  pull(out: Uint8Array[], budget: number): number;
  /** The other end broke the rules, or is dead. Called once at most, and not after `lost`. */
  failed(error: SessionError): void;
  /** What a listener of a stream threw, which is a defect of this end: the session has to end. */
  defect(error: unknown): void;
  /** The connection has ended. Called once at most, and not after `failed`. */
  lost(cause?: Error): void;
}

/**
 * One connection's frames, in and out. It reads without ever waiting, since all that comes is bounded by credit; it
 * writes what is ready in one turn of the event loop as one write, asking for more only while little waits in Node's
 * buffer, so that priorities are decided as late as can be. It answers pings and watches for death.
 */
export class Carrier implements FrameReader {
  readonly #deps: CarrierDeps;
  readonly #duplex: Duplex;
  readonly #decoder: FrameDecoder;
  readonly #keepalive: Keepalive;
  readonly #youngHeap = new YoungHeap();
  #done = false;
  /** How long reading took since others had their turn, in milliseconds. */
  #readMs = 0;
  #scheduled = false;
  /** Bytes written that the connection has not taken. */
  #waiting = 0;
  #batchBytes = firstBatchBytes;
  #mayGrow = false;
  #ping: number | undefined;
  #pong: bigint | undefined;
  #parting: Timer | undefined;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(deps: CarrierDeps) {
    this.#deps = deps;
    this.#duplex = deps.duplex;
    this.#decoder = new FrameDecoder(this, deps.limits.maxFrameBytes);
    this.#keepalive = new Keepalive({
      clock: deps.clock,
      limits: deps.limits,
      ...(deps.random === undefined ? {} : { random: deps.random }),
      ping: (id) => {
        this.#ping = id;
        this.wake();
      },
      dead: (reason, message) => this.#fail(new SessionError(reason, message)),
    });
    this.#duplex.on("data", this.#onData);
    this.#duplex.on("end", () => this.#lose());
    this.#duplex.on("error", (error: Error) => this.#lose(error));
    this.#duplex.on("close", () => {
      this.#parting?.cancel();
      this.#lose();
    });
  }

  get bytesIn(): number {
    return this.#bytesIn;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  /** Bytes that wait in Node's buffer. */
  get waitingBytes(): number {
    return this.#waiting;
  }

  /** How long nothing has come. */
  get silentMs(): number {
    return this.#keepalive.silentMs;
  }

  get roundTripMs(): RoundTrip | undefined {
    return this.#keepalive.roundTripMs;
  }

  /** There is something to send: it leaves at the end of this turn of the event loop, with all that is ready by then. */
  wake(): void {
    if (this.#scheduled || this.#done || this.#waiting >= this.#deps.limits.maxWritableBytes) return;
    this.#scheduled = true;
    setImmediate(this.#pump);
  }

  /** The other end has acknowledged something more. */
  arrived(): void {
    this.#mayGrow = true;
    this.#keepalive.arrived();
  }

  /** Measures the round trip if that was some time ago. */
  refresh(): void {
    this.#keepalive.refresh();
  }

  /** Measures the round trip. */
  ask(): void {
    this.#keepalive.ask();
  }

  /** Sends the last words, if any, ends the connection, and tears it down if it does not go by itself. */
  finish(lastWords?: Uint8Array): void {
    if (!this.#stop()) return;
    this.#duplex.resume();
    if (lastWords === undefined) this.#duplex.end();
    else this.#duplex.end(lastWords);
    this.#parting = this.#deps.clock.after(partingMs, () => this.#duplex.destroy());
    this.#parting.unref?.();
    // What the other end still says is of no interest, and that it ends too is enough.
    this.#duplex.once("end", () => this.#duplex.destroy());
  }

  // ---- reading ----

  data(stream: number, pieces: readonly Uint8Array[], bytes: number): void {
    if (!this.#done) this.#deps.reader.data(stream, pieces, bytes);
  }

  frame(frame: Frame, bytes: number): void {
    if (this.#done) return;
    if (frame.stream === 0n && frame.kind.case === "ping") {
      // Only the latest is answered, so that no flood of questions makes one of answers.
      this.#pong = frame.kind.value.id;
      this.wake();
    } else if (frame.stream === 0n && frame.kind.case === "pong") {
      this.#keepalive.ponged(Number(frame.kind.value.id));
    } else {
      this.#deps.reader.frame(frame, bytes);
    }
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#bytesIn += chunk.length;
    this.#youngHeap.passed(chunk.length);
    this.#keepalive.heard();
    const startedAt = this.#deps.clock.monotonic();
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      if (error instanceof SessionError) {
        this.#fail(error);
        return;
      }
      // Somebody's listener threw. The rest of the chunk is gone, and going on would be a gap in silence.
      if (!this.#done) this.#deps.defect(error);
    }
    this.#readMs += this.#deps.clock.monotonic() - startedAt;
    if (this.#readMs >= readingMs && !this.#done) this.#leaveOthersTheirTurn();
  };

  /** Reading goes on in the next turn of the event loop, whatever there is: it waits for nobody. */
  #leaveOthersTheirTurn(): void {
    this.#readMs = 0;
    this.#duplex.pause();
    setImmediate(() => this.#duplex.resume());
  }

  // ---- writing ----

  readonly #pump = (): void => {
    this.#scheduled = false;
    if (this.#done) return;
    const room = this.#deps.limits.maxWritableBytes - this.#waiting;
    // What is written while little room is left would be cut small; the next write that leaves makes room.
    if (room < this.#batchBytes && this.#waiting > 0) return;
    const out: Uint8Array[] = [];
    const budget = this.#batchBytes;
    let bytes = this.#pullOwn(out);
    bytes += this.#deps.pull(out, budget);
    // Pulling may have ended the session.
    if (bytes === 0 || this.#done) return;
    this.#write(out, bytes);
    if (bytes >= budget) this.wake();
  };

  #pullOwn(out: Uint8Array[]): number {
    let bytes = 0;
    if (this.#pong !== undefined) {
      const frame = encodeFrame(0, { case: "pong", value: create(PongSchema, { id: this.#pong }) });
      bytes += frame.length;
      out.push(frame);
      this.#pong = undefined;
    }
    if (this.#ping !== undefined) {
      const frame = encodeFrame(0, { case: "ping", value: create(PingSchema, { id: BigInt(this.#ping) }) });
      bytes += frame.length;
      out.push(frame);
      this.#ping = undefined;
    }
    return bytes;
  }

  #write(out: readonly Uint8Array[], bytes: number): void {
    const { clock } = this.#deps;
    const startedAt = clock.monotonic();
    if (this.#waiting === 0) this.#keepalive.moved(true);
    this.#waiting += bytes;
    this.#bytesOut += bytes;
    this.#youngHeap.passed(bytes);
    const written = (): void => {
      this.#waiting -= bytes;
      this.#keepalive.moved(this.#waiting > 0);
      const tookMs = clock.monotonic() - startedAt;
      if (tookMs > slowBatchMs) this.#batchBytes = Math.max(minBatchBytes, this.#batchBytes / 2);
      else if (tookMs < quickBatchMs && this.#mayGrow) {
        this.#batchBytes = Math.min(maxBatchBytes, this.#batchBytes * 2);
        this.#mayGrow = false;
      }
      if (!this.#scheduled) this.#pump();
    };
    const last = out.length - 1;
    if (last > 0) this.#duplex.cork();
    for (let i = 0; i <= last; i++) {
      const piece = out[i];
      if (piece !== undefined) this.#duplex.write(piece, i === last ? written : undefined);
    }
    if (last > 0) this.#duplex.uncork();
  }

  // ---- the end ----

  #fail(error: SessionError): void {
    if (!this.#done) this.#deps.failed(error);
  }

  #lose(cause?: Error): void {
    if (!this.#stop()) return;
    this.#duplex.destroy();
    this.#deps.lost(cause);
  }

  /** False when it was over already. */
  #stop(): boolean {
    if (this.#done) return false;
    this.#done = true;
    this.#keepalive.close();
    this.#duplex.off("data", this.#onData);
    return true;
  }
}
