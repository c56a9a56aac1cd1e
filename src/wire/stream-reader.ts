import type { StreamError } from "./reason.ts";

/** What a reader of a stream is told, synchronously and in order. None of it may throw. */
export interface StreamReader {
  /** The other end has accepted: its response's status and headers. Only on streams that were opened here. */
  head(status: number, headers: Headers): void;
  /**
   * Data has come. True takes it; the reader calls `consumed` once it is done with it. False leaves it for `read`, and
   * the reader is not told again before it has read everything.
   */
  data(piece: Uint8Array): boolean;
  /** The other end will send no more; what `read` still holds comes before that. */
  end(trailers: Headers): void;
  /** The stream was cut, by either end. Nothing follows, and what `read` still held is gone. */
  reset(error: StreamError): void;
}
