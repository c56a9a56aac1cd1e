/**
 * Why bytes do not reach an app, in the words of whoever stands at the origin. Made once, where a dial fails; doors and
 * forwards only show it.
 */
import { errorText } from "../base/error-text.ts";
import { Reason, StreamError } from "../wire/reason.ts";

export type TunnelFailure =
  /** The app, or the port, is not there. */
  | "not-found"
  /** A rule at the host forbids it; the message names it. */
  | "denied"
  /** The app is there and does not run yet, or no more. */
  | "not-ready"
  /** There is no link to the peer. */
  | "away"
  /** Something in between has too much to do. */
  | "overloaded"
  /** This end asks no more in a second. */
  | "limited"
  /** Nobody answered in time. */
  | "timeout"
  /** The app refused the connection, or broke it off. */
  | "broken"
  /** Whoever asked has gone. */
  | "cancelled";

export class TunnelError extends Error {
  override readonly name = "TunnelError";
  readonly failure: TunnelFailure;

  constructor(failure: TunnelFailure, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.failure = failure;
  }
}

const failureOf: Partial<Record<Reason, TunnelFailure>> = {
  [Reason.CANCELLED]: "cancelled",
  [Reason.DEADLINE]: "timeout",
  [Reason.UNSUPPORTED]: "denied",
  [Reason.DENIED]: "denied",
  [Reason.REVOKED]: "denied",
  [Reason.NOT_FOUND]: "not-found",
  [Reason.NOT_READY]: "not-ready",
  [Reason.UNREACHABLE]: "broken",
  [Reason.OVERLOADED]: "overloaded",
  [Reason.TOO_MANY_STREAMS]: "overloaded",
  [Reason.TOO_MANY_OPENS]: "overloaded",
  [Reason.GOING_AWAY]: "away",
  [Reason.SILENT]: "away",
  [Reason.STALLED]: "away",
  [Reason.CARRIER_LOST]: "away",
  [Reason.SESSION_LOST]: "away",
  [Reason.REPLACED]: "away",
  [Reason.REMOVED]: "away",
  [Reason.SHUTDOWN]: "away",
};

/** Whatever a dial or a dialled connection failed with, as a {@link TunnelError}. */
export function toTunnelError(error: unknown): TunnelError {
  if (error instanceof TunnelError) return error;
  if (error instanceof StreamError) {
    // Said by this end, it is the peer that cannot be reached; said by the other, the app.
    const away = error.reason === Reason.UNREACHABLE && !error.remote;
    return new TunnelError(away ? "away" : (failureOf[error.reason] ?? "broken"), error.message, { cause: error });
  }
  if (error instanceof Error && error.name === "AbortError") {
    return new TunnelError("cancelled", "The request was given up.", { cause: error });
  }
  const message = errorText(error);
  return new TunnelError("broken", `The connection to the app broke: ${message}`, { cause: error });
}
