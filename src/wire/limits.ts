const KiB = 1024;

/** What one end of a session allows the other, and how long it waits for it. Each bound that is reached has a reason of its own. */
export interface Limits {
  /** Bytes of the longest frame taken. Beyond it the session ends (FRAME_TOO_LARGE) before the frame is read. */
  readonly maxFrameBytes: number;
  /** Bytes of headers, metadata or trailers in a frame, 32 counted for each besides. Beyond it the stream is reset (HEADERS_TOO_LARGE). */
  readonly maxHeaderBytes: number;
  /** Streams opened by the other at a time. Beyond it an open is refused (TOO_MANY_STREAMS). */
  readonly maxStreams: number;
  /** Bytes of what the other's streams that are open ask for: their Opens, 32 counted for each header. Beyond it an open is refused (OVERLOADED). */
  readonly maxAskedBytes: number;
  /**
   * Bytes that the other may have sent on a stream that begins, and that its reader has not consumed, while there are few streams. Beyond
   * what it was given the stream is reset (CREDIT_EXCEEDED).
   */
  readonly streamCredit: number;
  /** The same when there are many: what each stream has at least. */
  readonly leastStreamCredit: number;
  /** The same for a stream that is read as fast as it comes, and could come faster. */
  readonly mostStreamCredit: number;
  /** Bytes that may be promised in this way to all streams together. An open beyond it is refused (TOO_MANY_STREAMS). */
  readonly linkBudgetBytes: number;
  /** Streams opened by the other in a second, with as many again at once after a pause. Beyond it an open is refused (TOO_MANY_OPENS). */
  readonly opensPerSecond: number;
  /** Streams in a second that the other resets or gives cause to reset, with as many again at once. Beyond it the session ends (TOO_MANY_RESETS). */
  readonly resetsPerSecond: number;
  /** Bytes of answers that wait because the other does not read. Beyond it the session ends (NOT_READING). */
  readonly maxAnswerBytes: number;
  /** Bytes that may wait in the carrier's writable buffer, where no priority can reach them any more. */
  readonly maxWritableBytes: number;
  /** For the other's Hello (HELLO_TIMEOUT). */
  readonly helloTimeoutMs: number;
  /** A ping is sent when nothing was heard for so long, less up to a fifth at random. */
  readonly quietMs: number;
  /** The carrier is taken for dead when nothing was heard for so long (SILENT). */
  readonly deadMs: number;
  /** The carrier is taken for dead when bytes wait and none of them moved for so long (STALLED). */
  readonly stalledMs: number;
  /** A session without a carrier is given up after so long (SESSION_LOST). */
  readonly carrierlessMs: number;
}

export const defaultLimits: Limits = {
  maxFrameBytes: 128 * KiB,
  maxHeaderBytes: 64 * KiB,
  maxStreams: 16_384,
  maxAskedBytes: 16_384 * KiB,
  streamCredit: 256 * KiB,
  leastStreamCredit: 4 * KiB,
  mostStreamCredit: 16_384 * KiB,
  linkBudgetBytes: 65_536 * KiB,
  opensPerSecond: 20_000,
  resetsPerSecond: 20_000,
  maxAnswerBytes: 4096 * KiB,
  maxWritableBytes: 128 * KiB,
  helloTimeoutMs: 10_000,
  quietMs: 15_000,
  deadMs: 45_000,
  stalledMs: 10_000,
  carrierlessMs: 60_000,
};

/**
 * Bytes of data that one frame carries at most: what others wait for when it goes first. A little below 64 KiB, so that a full
 * frame, with its header and what TLS adds to it, is one WebSocket message of 64 KiB and not one and a tail.
 */
export const maxDataBytes = 65_408;

/** What a zero in the other's Hello stands for; the same values as in frame.proto. */
export const unsaidLimits = {
  maxFrameBytes: 131_072,
  maxHeaderBytes: 65_536,
  maxStreams: 100,
  streamCredit: 4096,
} as const;
