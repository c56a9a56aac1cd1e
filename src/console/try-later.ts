/** Refusals that pass by themselves. They say when it is worth to try again: programs by a detail, and whatever speaks HTTP by a header. */
import { Code, ConnectError } from "@connectrpc/connect";
import { RetryAfterSchema } from "../gen/fairlead/console/v1/error_pb.ts";

/** Seconds after which what was away may be back: as long as a link that was lost needs to be made anew, on most days. */
const awaySeconds = 5;

/** With RESOURCE_EXHAUSTED unless another code is given. */
export function tryLater(
  message: string,
  o: { readonly seconds: number; readonly code?: Code; readonly cause?: unknown },
): ConnectError {
  return new ConnectError(
    message,
    o.code ?? Code.ResourceExhausted,
    { "retry-after": headerOf(o.seconds) },
    [{ desc: RetryAfterSchema, value: { seconds: o.seconds } }],
    o.cause,
  );
}

/** Says of what is UNAVAILABLE when to try again, if nobody has said it; any other error stays as it is. */
export function sayWhenBack(error: ConnectError): ConnectError {
  if (error.code !== Code.Unavailable || secondsIn(error) !== undefined) return error;
  error.details.push({ desc: RetryAfterSchema, value: { seconds: awaySeconds } });
  error.metadata.set("retry-after", headerOf(awaySeconds));
  return error;
}

/** What an error says of it, in seconds from now. */
export function secondsIn(error: ConnectError): number | undefined {
  return error.findDetails(RetryAfterSchema)[0]?.seconds;
}

/** Whole seconds, as HTTP has them; never 0, which would be no wait. */
function headerOf(seconds: number): string {
  return String(Math.max(1, Math.ceil(seconds)));
}
