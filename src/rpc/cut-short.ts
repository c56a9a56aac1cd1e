import type { Interceptor } from "@connectrpc/connect";

/**
 * An answer of many messages whose handler stopped because it was told to (the deadline passed, this agent stops) ends with
 * that as its error. Handlers may simply return when their signal aborts: without this, what was cut would look complete.
 */
export function failWhatIsCutShort(): Interceptor {
  return (next) => async (request) => {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: untilAborted(response.message, request.signal) };
  };
}

async function* untilAborted<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  yield* messages;
  signal.throwIfAborted();
}
