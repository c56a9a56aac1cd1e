import { Duplex } from "node:stream";
import { Reason, StreamError } from "./reason.ts";
import type { Stream } from "./stream.ts";

/** Bytes that wait in Node's buffer before `write` returns false; the stream holds as many again for the scheduler. */
const writableHighWaterMark = 64 * 1024;

/** Node wants a mark; the bound on what is read ahead is the stream's credit. */
const readableHighWaterMark = 64 * 1024;

/**
 * A stream as Node's Duplex, for anything that takes a socket. It half-closes. `destroy(error)` resets the stream, with
 * the reason of the error if it is a {@link StreamError}. When the other end resets it, or the link is lost, it emits
 * `error` with a StreamError (code ERR_STREAM_RESET), so that a transfer which was cut never looks complete. Nobody has to
 * listen: a link that is lost while a stream is being handed on must not end the process.
 */
export class StreamDuplex extends Duplex {
  readonly #stream: Stream;
  /** Bytes handed to Node of which the stream was not told yet that they are consumed. */
  #given = 0;
  #ended = false;
  #endGiven = false;
  #read = 0;
  #written = 0;

  /** `onHead` is called once, when the other end has accepted. */
  constructor(stream: Stream, onHead?: () => void) {
    super({ allowHalfOpen: true, writableHighWaterMark, readableHighWaterMark });
    this.#stream = stream;
    this.on("error", () => undefined);
    stream.attach({
      head: () => onHead?.(),
      data: (piece) => {
        // While something waits in Node's buffer the rest stays in the stream, which packs it.
        if (this.readableLength > 0) return false;
        this.#give(piece);
        return true;
      },
      end: () => {
        this.#ended = true;
        if (this.readableLength === 0) this.#refill();
      },
      reset: (error) => void this.destroy(error),
    });
  }

  /** As a socket of Node's has them: what has come from the other end, and what was written to it. */
  get bytesRead(): number {
    return this.#read;
  }

  get bytesWritten(): number {
    return this.#written;
  }

  /** As Node's, and tells the stream what was consumed by it: only that gives the sender new credit. */
  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    this.#settle();
    if (this.readableLength === 0) this.#refill();
    return chunk;
  }

  override _read(): void {
    this.#refill();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#written += chunk.length;
    if (this.#stream.write([chunk], callback)) callback();
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: (error?: Error | null) => void): void {
    const pieces = chunks.map((c) => c.chunk);
    for (const piece of pieces) this.#written += piece.length;
    if (this.#stream.write(pieces, callback)) callback();
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#stream.end(undefined, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (error instanceof StreamError) this.#stream.reset(error.reason, error.message, error);
    else if (error === null) this.#stream.reset(Reason.CANCELLED, "The stream was destroyed before its end.");
    else this.#stream.reset(Reason.BROKEN, `The connection behind the stream broke${codeOf(error)}.`, error);
    callback(error);
  }

  #refill(): void {
    const piece = this.#stream.read();
    if (piece !== undefined) {
      this.#give(piece);
    } else if (this.#ended && !this.#endGiven) {
      this.#endGiven = true;
      this.push(null);
    }
  }

  #give(piece: Uint8Array): void {
    this.#given += piece.length;
    this.#read += piece.length;
    this.push(piece);
    this.#settle();
  }

  #settle(): void {
    const waiting = this.readableLength;
    if (this.#given === waiting) return;
    this.#stream.consumed(this.#given - waiting);
    this.#given = waiting;
  }
}

/** The code of a system error; its message may name addresses that are not the other end's business. */
function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
}
