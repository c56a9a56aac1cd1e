import { ConnectError, type Interceptor } from "@connectrpc/connect";

/** Characters of what an error says, at most. gRPC sends it as a header, of which clients take some KiB. */
const longest = 2_000;

/** Shortens what errors say: many repeat what was asked, which may be as long as a message. Their details stay. */
export function shortenErrors(): Interceptor {
  return (next) => async (request) => {
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: shortened(response.message) } : response;
    } catch (error) {
      throw short(error);
    }
  };
}

async function* shortened<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw short(error);
  }
}

function short(error: unknown): unknown {
  if (!(error instanceof ConnectError) || error.rawMessage.length <= longest) return error;
  const { rawMessage, code, metadata, details } = error;
  const other = new ConnectError(`${rawMessage.slice(0, longest)}…`, code, metadata, undefined, error);
  other.details = details;
  return other;
}
