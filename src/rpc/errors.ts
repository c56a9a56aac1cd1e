/**
 * The one place where what happens to streams becomes what Connect's callers see, and the other way.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { Reason, reasonName, SessionError, StreamError } from "../wire/reason.ts";

const codes: ReadonlyMap<Reason, Code> = new Map([
  [Reason.CANCELLED, Code.Canceled],
  [Reason.DEADLINE, Code.DeadlineExceeded],
  [Reason.BROKEN, Code.DataLoss],
  [Reason.INTERNAL, Code.Internal],
  [Reason.UNSUPPORTED, Code.Unimplemented],
  [Reason.DENIED, Code.PermissionDenied],
  [Reason.REVOKED, Code.PermissionDenied],
  [Reason.NOT_FOUND, Code.NotFound],
  [Reason.UNREACHABLE, Code.Unavailable],
  [Reason.OVERLOADED, Code.ResourceExhausted],
  [Reason.TOO_MANY_STREAMS, Code.ResourceExhausted],
  [Reason.TOO_MANY_OPENS, Code.ResourceExhausted],
  [Reason.HEADERS_TOO_LARGE, Code.ResourceExhausted],
  [Reason.CREDIT_EXCEEDED, Code.Internal],
  [Reason.PROTOCOL, Code.Internal],
]);

/**
 * As a ConnectError, with the error as its cause. What ends a session or a carrier is Unavailable: the call may be made
 * again once a link is there, if it may be made twice.
 */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof StreamError || error instanceof SessionError) {
    // A stream that this end gave up because of an error is about that error.
    if (error.cause instanceof ConnectError) return error.cause;
    const code = codes.get(error.reason) ?? Code.Unavailable;
    return new ConnectError(error.message, code, { "fairlead-reason": reasonName(error.reason) }, undefined, error);
  }
  return ConnectError.from(error);
}

/** Why a stream is reset when its call ends with this error. */
export function toReason(error: unknown): Reason {
  return ConnectError.from(error).code === Code.DeadlineExceeded ? Reason.DEADLINE : Reason.CANCELLED;
}
