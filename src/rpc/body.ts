import type { ConnectError } from "@connectrpc/connect";
import { Reason, type StreamError } from "../wire/reason.ts";
import type { Stream } from "../wire/stream.ts";
import type { StreamReader } from "../wire/stream-reader.ts";
import { toConnectError, toReason } from "./errors.ts";

/** What a response begins with. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
}

/** What the owner of a body hears of, synchronously. */
export interface StreamBodyEvents {
  /** The last byte was read, or the iteration has left. */
  end?(): void;
  /** The stream was cut. */
  cut?(error: StreamError): void;
  /** These bytes were read. */
  piece?(bytes: Uint8Array): void;
  /** All was read and the other end has ended: what is wrong with the whole, if anything is, becomes the reader's error. */
  judge?(): ConnectError | undefined;
}

/**
 * The reading side of a stream as the async iterable that Connect reads bodies from. Bytes count as consumed, and give the sender
 * credit, when the iteration hands them out. Leaving the iteration before its end resets a stream that was opened here; on
 * one that the other end opened, it throws away what still comes, since an answer may follow that says why.
 */
export class StreamBody implements StreamReader, AsyncIterableIterator<Uint8Array> {
  /** Filled when the other end has ended its direction. */
  readonly trailers: Headers = new Headers();
  /** Resolves with the response's head; rejects with a ConnectError. Of no meaning on a stream that the other end opened. */
  readonly headArrived: Promise<ResponseHead>;
  readonly #stream: Stream;
  readonly #on: StreamBodyEvents;
  #resolveHead: (head: ResponseHead) => void = () => undefined;
  #rejectHead: (error: unknown) => void = () => undefined;
  #wake: (() => void) | undefined;
  #ended = false;
  #left = false;
  #error: StreamError | undefined;
  #stopped: AbortSignal | undefined;

  constructor(stream: Stream, on: StreamBodyEvents = {}) {
    this.#stream = stream;
    this.#on = on;
    this.headArrived = new Promise((resolve, reject) => {
      this.#resolveHead = resolve;
      this.#rejectHead = reject;
    });
    // Whoever does not wait for the head learns of the error by reading.
    this.headArrived.catch(() => undefined);
    stream.attach(this);
  }

  // ---- what the stream tells ----

  head(status: number, headers: Headers): void {
    this.#resolveHead({ status, headers });
  }

  data(): boolean {
    this.#stir();
    return this.#left;
  }

  end(trailers: Headers): void {
    trailers.forEach((value, name) => {
      this.trailers.set(name, value);
    });
    this.#ended = true;
    this.#stir();
  }

  reset(error: StreamError): void {
    this.#error = error;
    this.#rejectHead(toConnectError(error));
    this.#on.cut?.(error);
    this.#stir();
  }

  /** When the signal aborts, whoever reads is told so, unless all has come by then. */
  stopBy(signal: AbortSignal): void {
    const stop = (): void => {
      this.#stopped = signal;
      this.#stir();
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  }

  // ---- what the reader asks ----

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    for (;;) {
      if (this.#left) return { done: true, value: undefined };
      if (this.#stopped !== undefined && !this.#ended) throw toConnectError(this.#stopped.reason);
      const piece = this.#stream.read();
      if (piece !== undefined) {
        this.#stream.consumed(piece.length);
        this.#on.piece?.(piece);
        return { done: false, value: piece };
      }
      if (this.#error !== undefined) throw toConnectError(this.#error);
      if (this.#ended) {
        this.#on.end?.();
        const wrong = this.#on.judge?.();
        if (wrong !== undefined) throw wrong;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#on.end?.();
    this.#leave(Reason.CANCELLED);
    return { done: true, value: undefined };
  }

  /** Connect throws into an iteration that it gives up. */
  async throw(error: unknown): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#on.end?.();
    this.#leave(toReason(error), toConnectError(error));
    throw error;
  }

  #leave(reason: Reason, cause?: Error): void {
    if (this.#ended) {
      this.#stream.drop();
      return;
    }
    if (this.#stream.opened) {
      this.#stream.reset(reason, "The reader has left.", cause);
      return;
    }
    this.#left = true;
    this.#stream.drop();
    this.#stir();
  }

  #stir(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/**
 * Writes all of it, waiting for each piece to be on its way. Rejects with the error that cut the stream, which is then
 * thrown into the iterable so that whoever fills it stops, or with the iterable's own error.
 */
export async function writeBody(stream: Stream, body: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = body[Symbol.asyncIterator]();
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) return;
    const room = write(stream, next.value);
    if (room === undefined) continue;
    try {
      await room;
    } catch (error) {
      // What it does with the error is its own affair; ours is told by rejecting.
      await iterator.throw?.(toConnectError(error)).catch(() => undefined);
      throw error;
    }
  }
}

/** Undefined when more may be written at once. */
function write(stream: Stream, piece: Uint8Array): Promise<void> | undefined {
  let settle: (error?: StreamError) => void = () => undefined;
  if (stream.write([piece], (error) => settle(error))) return undefined;
  // The stream calls back on a later tick, so this is in time.
  return new Promise((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
}
