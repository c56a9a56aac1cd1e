import { Reason, ReasonSchema } from "../gen/fairlead/wire/v1/reason_pb.ts";

export { Reason };

const byNumber = new Map(ReasonSchema.values.map((value) => [value.number, value]));

/** "TOO_MANY_OPENS" for the number of that reason; for logs, metrics and messages. */
export function reasonName(reason: number): string {
  return byNumber.get(reason)?.localName ?? "UNSPECIFIED";
}

/** The reason behind a number from the wire; what this version does not know is unspecified. */
export function knownReason(reason: number): Reason {
  const known = byNumber.get(reason);
  // The descriptor lists every number of the enum, so one that it has is a Reason.
  return known === undefined ? Reason.UNSPECIFIED : (known.number as Reason);
}

/** Bytes of a reason's message on the wire, at most. */
const maxMessageLength = 1024;

/** Cuts a message to what the wire allows, in whole characters. */
export function shortMessage(message: string): string {
  let short = message.slice(0, maxMessageLength);
  while (Buffer.byteLength(short) > maxMessageLength) short = short.slice(0, Math.floor(short.length * 0.9));
  return short.toWellFormed();
}

/** A reason and, for people, a sentence. */
export interface CloseReason {
  readonly reason: Reason;
  readonly message: string;
}

/**
 * A stream that was cut, by either end, or that could not be opened. `reason` decides what to do; `message` is for people.
 * As the `error` of a dialled Duplex it says that what has been read is not all there was.
 */
export class StreamError extends Error {
  override readonly name: string = "StreamError";
  readonly code: "ERR_STREAM_RESET" | "ERR_DIAL_REFUSED" = "ERR_STREAM_RESET";
  readonly reason: Reason;
  /** True when the other end said so; false when this end or the loss of the link did. */
  readonly remote: boolean;

  constructor(reason: Reason, message: string, options: { remote?: boolean; cause?: unknown } = {}) {
    super(
      message || `The stream was reset: ${reasonName(reason)}.`,
      "cause" in options ? { cause: options.cause } : {},
    );
    this.reason = reason;
    this.remote = options.remote ?? false;
  }
}

/** A dial that did not succeed: refused by the other end, given up, or lost with the link. */
export class DialError extends StreamError {
  override readonly name = "DialError";
  override readonly code = "ERR_DIAL_REFUSED";
}

/** A session that could not be opened: the other end said no Hello, something else, or was lost. */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly reason: Reason;

  constructor(reason: Reason, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.reason = reason;
  }
}
