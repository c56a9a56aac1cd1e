import { create } from "@bufbuild/protobuf";
import { EndSchema, type Header, HeadSchema, type Open } from "../gen/fairlead/wire/v1/frame_pb.ts";
import { type Pace, type ReceiveCredit, SendCredit } from "./credit.ts";
import { encodeDataHeader, encodeFrame, type FrameKind } from "./frame.ts";
import { headerBytes, writeHeaders } from "./headers.ts";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";
import { Reason, StreamError } from "./reason.ts";
import type { Priority, Turn } from "./scheduler.ts";

import type { StreamReader } from "./stream-reader.ts";
import { Weight } from "./weight.ts";

/** Bytes that wait to be sent on a stream when it asks its writer to wait: one frame's worth. */
const enoughBytes = 64 * 1024;

/** What a stream may ask of its session: narrow, so that a stream never reaches the session itself. */
export interface StreamOwner {
  /** It has something to send. */
  ready(stream: Stream): void;
  /** It owes the other end credit. */
  creditDue(stream: Stream): void;
  /** Its Open leaves: gives it its number, and what it may send then. Completes the Open. */
  leave(stream: Stream, open: Open): { readonly id: number; readonly credit: number };
  /** Monotonic, in milliseconds. */
  now(): number;
  /** It has data to send and no credit. */
  stalled(): void;
  /** Both directions have ended, or it was reset by this end; then `error` says why, for the other end. */
  over(stream: Stream, error?: StreamError): void;
}

export interface StreamOptions {
  readonly owner: StreamOwner;
  readonly priority: Priority;
  /** Bytes that may be sent before the other end gives more, on a stream that it has opened. */
  readonly sendCredit?: number;
  readonly receiveCredit: ReceiveCredit;
  /** Bytes of headers that the other end takes in a frame. */
  readonly maxHeaderBytes: number;
  /** What is asked, on a stream opened here; its number comes when this leaves. */
  readonly open?: Open;
  /** The number of a stream that the other end has opened. */
  readonly id?: number;
  /** Bytes that its Open has brought, which are held as long as it is open. */
  readonly askedBytes?: number;
}

/**
 * One conversation: two directions of bytes that end separately, with headers before and trailers behind them. It knows
 * frames and credit, and neither calls nor sockets; `duplex.ts` and the room `rpc` make those of it.
 */
export class Stream implements Turn {
  readonly priority: Priority;
  /** Of the scheduler: whether it stands in line. */
  waiting = false;
  /** Of the session: whether a Credit frame of it is due. */
  creditWaiting = false;
  /** Takes its datagrams; without it they are lost. */
  onDatagram: ((payload: Uint8Array) => void) | undefined;
  /** True when this end has opened it. */
  readonly opened: boolean;
  /** Bytes of what the other end has asked for; 0 on a stream that was opened here. */
  readonly askedBytes: number;

  readonly #owner: StreamOwner;
  readonly #maxHeaderBytes: number;
  readonly #sendCredit: SendCredit;
  readonly #receiveCredit: ReceiveCredit;
  readonly #inbox = new Inbox();
  #id: number;
  /** Open or Head, as long as it was not sent; data follows it. */
  #first: FrameKind | undefined;
  readonly #out = new Outbox();
  readonly #weight = new Weight();
  #onReady: ((error?: StreamError) => void) | undefined;
  /** End, once asked for and as long as it was not sent. */
  #last: FrameKind | undefined;
  #onEndSent: ((error?: StreamError) => void) | undefined;
  #mayWrite: boolean;
  #sentEnd = false;
  #stalled = false;
  /** Since when the other end may send nothing more, for want of a reader; 0 when it may. */
  #usedUpAt = 0;
  #dropped = false;

  #reader: StreamReader | undefined;
  #heads: { status: number; headers: Headers } | undefined;
  #trailers: Headers | undefined;
  #cut: StreamError | undefined;
  #abort: AbortController | undefined;

  constructor(o: StreamOptions) {
    this.#owner = o.owner;
    this.#maxHeaderBytes = o.maxHeaderBytes;
    this.priority = o.priority;
    this.#sendCredit = new SendCredit(o.sendCredit ?? 0);
    this.#receiveCredit = o.receiveCredit;
    this.#id = o.id ?? 0;
    this.askedBytes = o.askedBytes ?? 0;
    this.opened = o.open !== undefined;
    this.#mayWrite = this.opened;
    if (o.open !== undefined) this.#first = { case: "open", value: o.open };
  }

  /** Its number in the session; 0 as long as its Open waits to be sent. */
  get id(): number {
    return this.#id;
  }

  /** Why the stream was cut; undefined while it goes on and when it ended well. */
  get cut(): StreamError | undefined {
    return this.#cut;
  }

  /** Aborts, with the StreamError, when the stream is cut by either end. It does not when the stream ends well. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#cut !== undefined) this.#abort.abort(this.#cut);
    }
    return this.#abort.signal;
  }

  // ---- the writing side ----

  /** Accepts a stream that the other end has opened. Once, and before anything is written. */
  sendHead(status = 0, headers?: Headers): void {
    if (this.#cut !== undefined) return;
    if (this.#mayWrite) throw new Error("A stream is accepted once, by the end that did not open it.");
    const list = this.#writeHeaders(headers);
    if (list === undefined) return;
    this.#mayWrite = true;
    this.#first = { case: "head", value: create(HeadSchema, { status, headers: list }) };
    this.#owner.ready(this);
  }

  /**
   * Sends bytes, which from now on belong to the stream. True when more may be written at once; false when enough waits:
   * `ready` is then called, once, when there is room again, or with the error that cut the stream. So what waits is bounded
   * by its writer: 64 KiB and one write.
   */
  write(pieces: readonly Uint8Array[], ready: (error?: StreamError) => void): boolean {
    if (this.#cut !== undefined) {
      process.nextTick(ready, this.#cut);
      return false;
    }
    if (!this.#mayWrite || this.#last !== undefined || this.#sentEnd || this.#onReady !== undefined) {
      throw new Error("A stream is written after it was accepted, before its end, and when it is ready for more.");
    }
    const { bytes } = this.#out;
    for (const piece of pieces) if (piece.length > 0) this.#out.push(piece);
    if (this.#out.bytes === bytes) return true;
    if (this.sendable()) this.#owner.ready(this);
    else this.#stall();
    if (this.#out.bytes < enoughBytes) return true;
    this.#onReady = ready;
    return false;
  }

  /**
   * Ends this direction behind what was written; the other direction goes on. `sent` is called when the End is on its way,
   * or with the error that cut the stream. A second call changes nothing.
   */
  end(trailers?: Headers, sent?: (error?: StreamError) => void): void {
    if (this.#cut !== undefined) {
      if (sent !== undefined) process.nextTick(sent, this.#cut);
      return;
    }
    if (this.#last !== undefined || this.#sentEnd) return;
    if (!this.#mayWrite) throw new Error("A stream is accepted before it is ended.");
    const list = this.#writeHeaders(trailers);
    if (list === undefined) {
      if (sent !== undefined) process.nextTick(sent, this.#cut);
      return;
    }
    this.#last = { case: "end", value: create(EndSchema, { trailers: list }) };
    this.#onEndSent = sent;
    if (this.sendable()) this.#owner.ready(this);
  }

  /** Cuts both directions at once, and tells the other end why. Harmless when the stream is over. */
  reset(reason: Reason, message = "", cause?: unknown): void {
    if (this.#cut !== undefined) return;
    if (this.#sentEnd && this.#trailers !== undefined) {
      this.drop();
      return;
    }
    const error = new StreamError(reason, message, cause === undefined ? {} : { cause });
    this.fail(error);
    this.#owner.over(this, error);
  }

  // ---- the reading side ----

  /** The one reader, which is told at once what has come before it. */
  attach(reader: StreamReader): void {
    if (this.#reader !== undefined) throw new Error("A stream has one reader.");
    this.#reader = reader;
    if (this.#cut !== undefined) {
      reader.reset(this.#cut);
      return;
    }
    if (this.#heads !== undefined) reader.head(this.#heads.status, this.#heads.headers);
    if (this.#trailers !== undefined) reader.end(this.#trailers);
  }

  /** The next bytes that the reader did not take when they came; undefined when there are none. */
  read(): Uint8Array | undefined {
    return this.#inbox.shift();
  }

  /** The reader is done with so many of the bytes that it was given: the other end may send as many more. */
  consumed(bytes: number): void {
    this.#usedUpAt = 0;
    if (this.#receiveCredit.consumed(bytes) && !this.creditWaiting) this.#owner.creditDue(this);
  }

  /** Nobody reads on: what waits and what still comes is thrown away, and the other end gets no credit for it. */
  drop(): void {
    this.#dropped = true;
    this.#inbox.clear();
    this.#receiveCredit.drop();
  }

  // ---- for the session ----

  isLight(): boolean {
    return this.#weight.isLight(this.#owner.now());
  }

  sendable(): boolean {
    if (this.#cut !== undefined) return false;
    if (this.#first !== undefined) return true;
    return this.#out.bytes > 0 ? this.#sendCredit.available > 0 : this.#last !== undefined;
  }

  /** Adds what may be sent now to `out`: Open or Head, one frame of data, and End if there is nothing left before it. */
  take(out: Uint8Array[], maxData: number): number {
    if (this.#cut !== undefined) return 0;
    let bytes = 0;
    if (this.#first !== undefined) {
      const kind = this.#first;
      this.#first = undefined;
      if (kind.case === "open") this.#leave(kind.value);
      bytes += add(out, encodeFrame(this.#id, kind));
    }
    if (this.#out.bytes > 0) {
      bytes += this.#takeData(out, maxData);
      if (this.#out.bytes > 0) return bytes;
    }
    if (this.#last !== undefined) {
      const kind = this.#last;
      this.#last = undefined;
      this.#sentEnd = true;
      bytes += add(out, encodeFrame(this.#id, kind));
      if (this.#onEndSent !== undefined) process.nextTick(this.#onEndSent);
      if (this.#trailers !== undefined) this.#owner.over(this);
    }
    return bytes;
  }

  /** The credit owed to the other end, which is given by taking it. */
  takeCredit(pace: Pace): number {
    this.creditWaiting = false;
    return this.#receiveCredit.give(pace);
  }

  /** Since when its reader keeps the other end from sending; undefined while it does not. */
  get usedUpAt(): number | undefined {
    return this.#usedUpAt === 0 ? undefined : this.#usedUpAt;
  }

  headArrived(status: number, headers: Headers): void {
    if (!this.opened || this.#heads !== undefined) {
      this.reset(Reason.PROTOCOL, "A second Head, or one from the end that opened the stream.");
      return;
    }
    this.#heads = { status, headers };
    this.#reader?.head(status, headers);
  }

  dataArrived(pieces: readonly Uint8Array[], bytes: number): void {
    if (!this.#mayCome()) return;
    if (!this.#receiveCredit.arrived(bytes)) {
      this.reset(Reason.CREDIT_EXCEEDED, "More data came than there was credit for.");
      return;
    }
    if (this.#receiveCredit.usedUp) this.#usedUpAt = this.#owner.now();
    if (this.#dropped) return;
    for (const piece of pieces) {
      // The reader may have reset the stream over the piece before.
      if (this.#cut !== undefined || this.#dropped) return;
      if (this.#inbox.bytes === 0 && this.#reader?.data(piece)) continue;
      if (this.#cut === undefined && !this.#dropped) this.#inbox.push(piece);
    }
  }

  endArrived(trailers: Headers): void {
    if (!this.#mayCome()) return;
    this.#trailers = trailers;
    this.#usedUpAt = 0;
    this.#receiveCredit.end();
    this.#reader?.end(trailers);
    if (this.#sentEnd) this.#owner.over(this);
  }

  creditArrived(bytes: bigint): void {
    if (!this.#sendCredit.add(bytes)) {
      this.reset(Reason.PROTOCOL, "More credit came than can be counted.");
      return;
    }
    this.#stalled = false;
    if (this.sendable()) this.#owner.ready(this);
  }

  /** Ends it here without a word to the other end: it was reset from there, or the session is over. */
  fail(error: StreamError): void {
    if (this.#cut !== undefined) return;
    this.#cut = error;
    this.#out.clear();
    this.#first = undefined;
    this.#last = undefined;
    this.#inbox.clear();
    this.#usedUpAt = 0;
    this.#receiveCredit.close();
    const ready = this.#onReady;
    this.#onReady = undefined;
    if (ready !== undefined) process.nextTick(ready, error);
    if (this.#onEndSent !== undefined && !this.#sentEnd) process.nextTick(this.#onEndSent, error);
    this.#reader?.reset(error);
    this.#abort?.abort(error);
  }

  #leave(open: Open): void {
    const { id, credit } = this.#owner.leave(this, open);
    this.#id = id;
    this.#sendCredit.add(BigInt(credit));
  }

  /** Undefined when the other end would not take so much; the stream is then reset. */
  #writeHeaders(headers: Headers | undefined): Header[] | undefined {
    const list = writeHeaders(headers);
    if (headerBytes(list) <= this.#maxHeaderBytes) return list;
    this.reset(
      Reason.HEADERS_TOO_LARGE,
      `More headers or trailers than the ${this.#maxHeaderBytes} bytes that are taken.`,
    );
    return undefined;
  }

  #takeData(out: Uint8Array[], maxData: number): number {
    const size = Math.min(this.#out.bytes, maxData, this.#sendCredit.available);
    if (size <= 0) {
      this.#stall();
      return 0;
    }
    const header = encodeDataHeader(this.#id, size);
    out.push(header);
    this.#sendCredit.spend(size);
    this.#weight.add(size);
    this.#out.take(out, size);
    this.#stall();
    if (this.#out.bytes < enoughBytes) this.#roomAgain();
    return header.length + size;
  }

  #roomAgain(): void {
    const ready = this.#onReady;
    this.#onReady = undefined;
    // Not at once: whoever writes next would find the scheduler in the middle of its work.
    if (ready !== undefined) process.nextTick(ready);
  }

  #stall(): void {
    if (this.#stalled || this.#out.bytes === 0 || this.#sendCredit.available > 0) return;
    this.#stalled = true;
    this.#owner.stalled();
  }

  /** Whether data or an end may come now; resets the stream if not. */
  #mayCome(): boolean {
    if (this.#cut !== undefined) return false;
    if (this.#trailers !== undefined) this.reset(Reason.PROTOCOL, "Data or a second End came behind the End.");
    else if (this.opened && this.#heads === undefined) this.reset(Reason.PROTOCOL, "Data or End came before the Head.");
    else return true;
    return false;
  }
}

function add(out: Uint8Array[], bytes: Uint8Array): number {
  out.push(bytes);
  return bytes.length;
}
