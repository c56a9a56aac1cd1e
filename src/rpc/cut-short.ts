import { ConnectError, type Interceptor } from "@connectrpc/connect";

/**
 * A handler that stopped because it was told to (the deadline passed, this agent stops) ends its call with that as the error,
 * however it stops: when it simply returns, what was cut would look complete, and what a timer or a socket throws on abort
 * would look like a defect. One that was told so before its request had come does not begin: many wait for a signal to abort,
 * and few look whether it has.
 */
export function failWhatIsCutShort(): Interceptor {
  return (next) => async (request) => {
    const { signal } = request;
    try {
      signal.throwIfAborted();
      const response = await next(request);
      return response.stream ? { ...response, message: untilAborted(response.message, signal) } : response;
    } catch (error) {
      throw why(error, signal);
    }
  };
}

async function* untilAborted<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw why(error, signal);
  }
  signal.throwIfAborted();
}

/** What a handler says in gRPC's words is its answer, whatever has happened meanwhile. */
function why(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted && !(error instanceof ConnectError) ? signal.reason : error;
}
