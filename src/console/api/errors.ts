/** What goes wrong below the API, as the errors of its RPCs: translated here, once, by an interceptor. */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { KubeError } from "../../kube/errors.ts";
import { PeeringError, type PeeringErrorCode } from "../../peering/error.ts";
import { HostError, type HostErrorCode } from "../../workloads/host/error.ts";
import { sayWhenBack, tryLater } from "../try-later.ts";

/** Turns the errors of rooms below, in unary and streaming RPCs into `ConnectError`s with the code that a client can act on. */
export const translateErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: translated(response.message) };
  } catch (error) {
    throw translate(error);
  }
};

/** The same failure with the code that a client can act on, and with when to try again if that helps; anything else as it is. */
function translate(error: unknown): unknown {
  const known = toConnect(error);
  return known instanceof ConnectError ? sayWhenBack(known) : known;
}

function toConnect(error: unknown): unknown {
  if (error instanceof KubeError) {
    const { message, retryAfterMs } = error;
    const code = codeOf(error);
    if (code === Code.ResourceExhausted)
      return tryLater(message, { seconds: (retryAfterMs ?? 1_000) / 1_000, cause: error });
    return new ConnectError(message, code, undefined, undefined, error);
  }
  if (error instanceof PeeringError) {
    return new ConnectError(error.message, peeringCodes[error.code], undefined, undefined, error);
  }
  if (error instanceof HostError) {
    return new ConnectError(error.message, hostCodes[error.code], undefined, undefined, error);
  }
  return error instanceof ConnectError && error.isWireError ? ofPeer(error) : error;
}

/**
 * What a peer's agent said: its code and its message, without its headers and details, which callers would take for the word of this agent.
 * Who is signed in here, no peer knows.
 */
function ofPeer(error: ConnectError): ConnectError {
  const code = error.code === Code.Unauthenticated ? Code.FailedPrecondition : error.code;
  return new ConnectError(error.rawMessage, code, undefined, undefined, error);
}

const hostCodes: Readonly<Record<HostErrorCode, Code>> = {
  "not-found": Code.NotFound,
  changed: Code.FailedPrecondition,
};

const peeringCodes: Readonly<Record<PeeringErrorCode, Code>> = {
  "not-found": Code.NotFound,
  invalid: Code.InvalidArgument,
  "bad-invite": Code.InvalidArgument,
  "name-taken": Code.AlreadyExists,
  refused: Code.PermissionDenied,
  unreachable: Code.Unavailable,
  conflict: Code.Aborted,
  precondition: Code.FailedPrecondition,
};

async function* translated<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw translate(error);
  }
}

function codeOf(error: KubeError): Code {
  if (error.status === 0) return error.reason === "TimedOut" ? Code.DeadlineExceeded : Code.Unavailable;
  if (error.status === 404) return Code.NotFound;
  if (error.status === 409) return error.reason === "AlreadyExists" ? Code.AlreadyExists : Code.Aborted;
  if (error.status === 400 || error.status === 422) return Code.InvalidArgument;
  if (error.status === 405) return Code.FailedPrecondition;
  // The agent's own rights are meant, not the caller's.
  if (error.status === 401 || error.status === 403) return Code.FailedPrecondition;
  if (error.status === 429) return Code.ResourceExhausted;
  return error.status >= 500 ? Code.Unavailable : Code.Unknown;
}
