import { create } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import { createRateLimit, type RateLimit } from "../base/rate-limit.ts";
import {
  type Announce,
  type Frame,
  type Open,
  OpenSchema,
  type Reset,
  ResetSchema,
} from "../gen/fairlead/wire/v1/frame_pb.ts";
import { Answers } from "./answers.ts";
import type { LinkBudget } from "./budget.ts";
import type { Pace } from "./credit.ts";
import type { DatagramOutlet } from "./datagram-line.ts";
import { encodeFrame } from "./frame.ts";
import { HeaderError, headerBytes, readHeaders } from "./headers.ts";
import type { RemoteLimits, Side } from "./hello.ts";
import { type IncomingStream, openBytes, readIncoming } from "./incoming.ts";
import { type Limits, unsaidLimits } from "./limits.ts";
import { OpenLimits } from "./open-limits.ts";
import { Openings } from "./openings.ts";
import { knownReason, Reason, SessionError, StreamError, shortMessage } from "./reason.ts";
import { className, Priority, type Room, Scheduler } from "./scheduler.ts";
import { Stream, type StreamOwner } from "./stream.ts";
import { type StreamCounts, StreamTally } from "./stream-counts.ts";
import { firstWindow } from "./window.ts";

export interface StreamsDeps {
  readonly side: Side;
  readonly clock: Clock;
  readonly limits: Limits;
  /** What may be promised to streams. */
  readonly budget: LinkBudget;
  /** What the other end was told in the Hello that its streams start with. */
  readonly helloCredit: number;
  /** Where datagrams go. */
  readonly datagrams: DatagramOutlet;
  /** Of the present connection when nothing else is under way, in milliseconds; undefined when it is not known. */
  roundTripMs(): number | undefined;
  /** There is something to send. */
  wake(): void;
  /** Somebody has opened a stream. Must not throw. */
  accept(incoming: IncomingStream): void;
  /** The last stream is over. */
  idle(): void;
  /** The other end went too far: the session ends. */
  fail(error: SessionError): void;
}

/** Resets with these reasons are the other end's doing, and count as if it had sent them. */
const provoked: ReadonlySet<Reason> = new Set([
  Reason.PROTOCOL,
  Reason.CREDIT_EXCEEDED,
  Reason.HEADERS_TOO_LARGE,
  Reason.TOO_MANY_OPENS,
]);

/** The streams of a session: who they are, whose turn it is, and what the other end may do with them. */
export class Streams implements StreamOwner {
  readonly #deps: StreamsDeps;
  readonly #scheduler = new Scheduler();
  readonly #answers = new Answers();
  readonly #noTrailers = new Headers();
  readonly #byId = new Map<number, Stream>();
  /** Opened here, and not sent yet, so that they have no number. */
  readonly #unsent = new Set<Stream>();
  readonly #theirs: OpenLimits;
  readonly #resets: RateLimit;
  readonly #openings: Openings;
  #remote: RemoteLimits;
  #announced = 0n;
  #nextId: number;
  /** The highest number that the other end has used. */
  #lastRemoteId = 0;
  #local = 0;
  readonly #tally = new StreamTally();

  constructor(deps: StreamsDeps, remote: RemoteLimits) {
    this.#deps = deps;
    this.#remote = remote;
    const { clock, limits } = deps;
    this.#theirs = new OpenLimits(deps);
    this.#resets = createRateLimit({ clock, burst: limits.resetsPerSecond, perSecond: limits.resetsPerSecond });
    this.#nextId = deps.side === "low" ? 1 : 2;
    this.#openings = new Openings(deps);
    this.#announce();
  }

  /** Streams that are open now, of both ends. */
  get size(): number {
    return this.#local + this.#theirs.count;
  }

  /** Whether nothing waits to be sent that goes ahead of all data. */
  get mute(): boolean {
    return this.#answers.bytes === 0;
  }

  /** Whether the stream is open now. */
  has(id: number): boolean {
    return this.#byId.has(id);
  }

  /** The highest stream of the other end that was taken up. */
  get lastTaken(): number {
    return this.#lastRemoteId;
  }

  counts(): StreamCounts {
    return this.#tally.counts(this.#byId.values(), this.#deps.budget, this.now());
  }

  /** Throws a StreamError when the other end would refuse it. */
  open(what: Open["what"], priority: Priority): Stream {
    if (this.#local >= this.#remote.maxStreams) {
      const message = `The other end takes ${this.#remote.maxStreams} streams at a time, and so many are open.`;
      throw new StreamError(Reason.TOO_MANY_STREAMS, message);
    }
    if (openBytes(what) > this.#remote.maxHeaderBytes) {
      const message = `More headers than the ${this.#remote.maxHeaderBytes} bytes that the other end takes.`;
      throw new StreamError(Reason.HEADERS_TOO_LARGE, message);
    }
    const { window, credit } = this.#openings.own(this.size);
    const stream = new Stream({
      owner: this,
      priority,
      receiveCredit: credit,
      maxHeaderBytes: this.#remote.maxHeaderBytes,
      open: create(OpenSchema, { what, priority, credit: BigInt(window) }),
    });
    this.#unsent.add(stream);
    this.#local += 1;
    this.#tally.opened();
    this.#tally.add(priority);
    this.ready(stream);
    return stream;
  }

  /** Takes no more streams from the other end. */
  refuseNew(error: StreamError): void {
    this.#theirs.close(error);
  }

  /** Cuts those streams of this end that the other one, which leaves, has not taken up. */
  cutAbove(lastTaken: number, error: StreamError): void {
    for (const stream of [...this.#byId.values(), ...this.#unsent]) {
      if (stream.opened && (stream.id === 0 || stream.id > lastTaken)) this.#cut(stream, error);
    }
  }

  /** Cuts all streams, without a word to the other end. */
  cutAll(error: StreamError): void {
    this.#tally.reset("lost", error.reason, this.size);
    for (const stream of [...this.#byId.values(), ...this.#unsent]) this.#cut(stream, error);
  }

  /** Sends a frame ahead of all data. */
  answer(frame: Uint8Array): void {
    this.#answers.push(frame);
    this.#deps.wake();
  }

  /** Adds frames to send, about `budget` bytes at most, to `out`; returns their bytes. `room` says what of what the streams have. */
  pull(out: Uint8Array[], budget: number, room: Room): number {
    const bytes = this.#answers.pull(out, this.#pace);
    if (bytes >= budget) return bytes;
    return bytes + this.#scheduler.pull(out, budget - bytes, this.#remote.maxDataBytes, room);
  }

  /** Whether something below interactive waits for its turn. */
  get bulkWaits(): boolean {
    return this.#scheduler.bulkWaits;
  }

  // ---- what comes ----

  data(id: number, pieces: readonly Uint8Array[], bytes: number): void {
    const stream = this.#byId.get(id);
    if (stream !== undefined) stream.dataArrived(pieces, bytes);
    else this.#mustBeOver(id);
  }

  /** A frame whose kind is one of a stream; `bytes` is its length. */
  frame(id: number, kind: Frame["kind"], bytes: number): void {
    if (kind.case === "open") {
      this.#openArrived(id, kind.value, bytes);
      return;
    }
    const stream = this.#byId.get(id);
    if (stream === undefined) {
      this.#mustBeOver(id);
      return;
    }
    switch (kind.case) {
      case "credit":
        stream.creditArrived(kind.value.bytes);
        break;
      case "head": {
        const headers = this.#headers(stream, kind.value.headers);
        if (headers !== undefined) stream.headArrived(kind.value.status, headers);
        break;
      }
      case "end": {
        const trailers = this.#headers(stream, kind.value.trailers);
        // Those of the end that has opened mean nothing, and would be held until this end has answered.
        if (trailers !== undefined) stream.endArrived(stream.opened ? trailers : this.#noTrailers);
        break;
      }
      case "reset":
        this.#resetArrived(stream, kind.value);
        break;
      case "data":
        throw new SessionError(Reason.PROTOCOL, "The other end sent a data frame without data.");
      case "datagram":
        stream.onDatagram?.(kind.value);
        break;
      default:
        stream.reset(Reason.UNSUPPORTED, "A frame of a kind that is not known here.");
    }
  }

  announceArrived(announce: Announce): void {
    this.#announced = announce.number;
    this.#remote = { ...this.#remote, streamCredit: announce.streamCredit, maxStreams: announce.maxStreams };
  }

  #openArrived(id: number, open: Open, frameBytes: number): void {
    const theirs = this.#deps.side === "low" ? 0 : 1;
    if (id % 2 !== theirs || id <= this.#lastRemoteId) {
      throw new SessionError(Reason.PROTOCOL, `The other end opened stream ${id}, which is not its next one.`);
    }
    // A stream that is refused was not taken up, but its number is used.
    this.#lastRemoteId = id;
    const askedBytes = Math.max(frameBytes, openBytes(open.what));
    const receiveCredit = this.#theirs.refusal(open, askedBytes) ?? this.#openings.theirs(open);
    if (receiveCredit instanceof StreamError) {
      this.#tally.refused();
      if (provoked.has(receiveCredit.reason)) this.#countReset();
      this.#sendReset(id, receiveCredit);
      return;
    }
    const priority = className(open.priority) === "normal" ? Priority.NORMAL : open.priority;
    const stream = new Stream({
      owner: this,
      priority,
      id,
      sendCredit: Number(open.credit),
      receiveCredit,
      maxHeaderBytes: this.#remote.maxHeaderBytes,
      askedBytes,
    });
    this.#byId.set(id, stream);
    this.#theirs.add(askedBytes);
    this.#tally.add(priority);
    this.#announce();
    const incoming = this.#incoming(open, stream);
    if (incoming === undefined) return;
    this.#tally.accepted();
    this.#deps.accept(incoming);
  }

  /** Says what streams start with from now on, if that has changed. */
  #announce(): void {
    const value = this.#openings.announce(this.size);
    if (value !== undefined) this.answer(encodeFrame(0, { case: "announce", value }));
  }

  #incoming(open: Open, stream: Stream): IncomingStream | undefined {
    try {
      const incoming = readIncoming(open, stream, this.#deps.datagrams);
      if (incoming === undefined) stream.reset(Reason.UNSUPPORTED, "What was asked is not known here.");
      return incoming;
    } catch (error) {
      if (!(error instanceof HeaderError)) throw error;
      stream.reset(Reason.PROTOCOL, error.message, error);
      return undefined;
    }
  }

  #headers(stream: Stream, list: Parameters<typeof readHeaders>[0]): Headers | undefined {
    if (headerBytes(list) > this.#deps.limits.maxHeaderBytes) {
      stream.reset(
        Reason.HEADERS_TOO_LARGE,
        `More than ${this.#deps.limits.maxHeaderBytes} bytes of headers or trailers.`,
      );
      return undefined;
    }
    try {
      return readHeaders(list);
    } catch (error) {
      if (!(error instanceof HeaderError)) throw error;
      stream.reset(Reason.PROTOCOL, error.message, error);
      return undefined;
    }
  }

  #resetArrived(stream: Stream, reset: Reset): void {
    this.#countReset();
    const reason = knownReason(reset.reason);
    this.#tally.reset("received", reason);
    this.#cut(stream, new StreamError(reason, shortMessage(reset.message), { remote: true }));
  }

  #mustBeOver(id: number): void {
    const ours = id % 2 === (this.#deps.side === "low" ? 1 : 0);
    if (id < (ours ? this.#nextId : this.#lastRemoteId + 1)) return;
    throw new SessionError(Reason.PROTOCOL, `The other end sent a frame for stream ${id}, which was never opened.`);
  }

  // ---- what streams ask for ----

  ready(stream: Stream): void {
    this.#scheduler.ready(stream);
    this.#deps.wake();
  }

  creditDue(stream: Stream): void {
    this.#answers.credit(stream);
    this.#deps.wake();
  }

  leave(stream: Stream, open: Open): { id: number; credit: number } {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#unsent.delete(stream);
    this.#byId.set(id, stream);
    const announced = this.#remote.streamCredit;
    // Of many that are opened at once none can know yet what the other end makes of them.
    const credit = firstWindow(announced, unsaidLimits.streamCredit, this.size - 1, Number.POSITIVE_INFINITY);
    open.announce = this.#announced;
    if (credit < announced) open.taken = BigInt(credit);
    return { id, credit };
  }

  readonly #pace = (): Pace => ({ nowMs: this.now(), roundTripMs: this.#deps.roundTripMs() });

  now(): number {
    return this.#deps.clock.monotonic();
  }

  stalled(): void {
    this.#tally.stalled();
  }

  over(stream: Stream, error?: StreamError): void {
    const known = this.#forget(stream);
    if (!known || error === undefined || stream.id === 0) return;
    if (provoked.has(error.reason)) this.#countReset();
    this.#sendReset(stream.id, error);
  }

  #cut(stream: Stream, error: StreamError): void {
    if (this.#forget(stream)) stream.fail(error);
  }

  #forget(stream: Stream): boolean {
    if (!(stream.id === 0 ? this.#unsent.delete(stream) : this.#byId.delete(stream.id))) return false;
    if (stream.opened) this.#local -= 1;
    else this.#theirs.remove(stream.askedBytes);
    this.#tally.remove(stream.priority);
    if (!stream.opened) this.#announce();
    if (this.size === 0) this.#deps.idle();
    return true;
  }

  #sendReset(id: number, error: StreamError): void {
    this.#tally.reset("sent", error.reason);
    const value = create(ResetSchema, { reason: error.reason, message: shortMessage(error.message) });
    this.answer(encodeFrame(id, { case: "reset", value }));
    if (this.#answers.bytes <= this.#deps.limits.maxAnswerBytes) return;
    this.#deps.fail(new SessionError(Reason.NOT_READING, "The other end asks, and does not read the answers."));
  }

  #countReset(): void {
    if (this.#resets.take()) return;
    const message = `The other end reset, or gave cause to reset, more than ${this.#deps.limits.resetsPerSecond} streams in a second.`;
    this.#deps.fail(new SessionError(Reason.TOO_MANY_RESETS, message));
  }
}
