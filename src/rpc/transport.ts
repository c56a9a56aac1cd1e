import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-grpc";
import { Reason } from "../wire/reason.ts";
import { Priority } from "../wire/scheduler.ts";
import type { Session } from "../wire/session.ts";
import type { Stream } from "../wire/stream.ts";
import { streamName } from "../wire/stream-name.ts";
import { StreamBody, writeBody } from "./body.ts";
import { Envelopes } from "./envelopes.ts";
import { toConnectError, toReason } from "./errors.ts";
import { baseUrl, maxMessageBytes } from "./message.ts";

/** Says in the headers of an answer, and in the metadata of an error before one, by which stream the call went. */
export const streamHeader = "fairlead-stream";

/** Not sent: it says to this end how urgent a call is. */
const priorityHeader = "fairlead-priority";

/** Headers of a call for which somebody waits at a keyboard, so that it goes before all that is bulk. */
export function interactively(): Headers {
  return new Headers({ [priorityHeader]: "interactive" });
}

/** What calls need of a session. */
export type CallingSession = Pick<Session, "open" | "id">;

/**
 * Calls over a session: Connect's transport with gRPC's semantics, one stream a call. Unary calls are interactive, the other
 * three kinds normal, unless they are made {@link interactively}. A session that ends makes its calls fail with Unavailable; so does one that is over already. An
 * answer carries {@link streamHeader}, for the audit: this end sets it, whatever the other end says.
 *
 * To leave the loop over a server's messages does not end the call: Connect hides it from every transport. Abort the
 * call's signal as well, or the stream stays until the session ends.
 */
export function createLinkTransport(session: CallingSession): Transport {
  const { unary } = grpc(session, Priority.INTERACTIVE);
  const { stream } = grpc(session, Priority.NORMAL);
  return { unary, stream };
}

function grpc(session: CallingSession, priority: Priority): Transport {
  return createTransport({
    httpClient: createStreamClient(session, priority),
    baseUrl,
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: maxMessageBytes,
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
  });
}

/** One request and its response as a stream. */
function createStreamClient(session: CallingSession, priority: Priority): UniversalClientFn {
  return async (request) => {
    const { signal } = request;
    if (signal?.aborted) throw toConnectError(signal.reason);
    const path = request.url.slice(baseUrl.length);
    const urgent = request.header.get(priorityHeader) === "interactive";
    request.header.delete(priorityHeader);
    const stream = openStream(session, path, request.header, urgent ? Priority.INTERACTIVE : priority);
    const onAbort = (): void => {
      const error = toConnectError(signal?.reason);
      stream.reset(toReason(error), error.rawMessage, error);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const done = (): void => signal?.removeEventListener("abort", onAbort);
    const envelopes = new Envelopes();
    const body = new StreamBody(stream, {
      cut: done,
      piece: (bytes) => envelopes.take(bytes),
      // Connect would call it an invalid argument, as if the caller had done something wrong.
      judge: () =>
        envelopes.isPartial ? new ConnectError("The answer ended in mid-message.", Code.Internal) : undefined,
      end() {
        done();
        body.trailers.delete(streamHeader);
        // An answer that came before the request was all sent is the answer; the rest is of no use to anybody.
        stream.reset(Reason.CANCELLED, "The call was answered before its request had ended.");
      },
    });
    void upload(stream, request.body);
    const head = await body.headArrived.catch((error: unknown) => {
      const failure = toConnectError(error);
      failure.metadata.set(streamHeader, streamName(session, stream.id));
      throw failure;
    });
    head.headers.set(streamHeader, streamName(session, stream.id));
    return { status: head.status || 200, header: head.headers, body, trailer: body.trailers };
  };
}

function openStream(session: CallingSession, path: string, headers: Headers, priority: Priority): Stream {
  try {
    return session.open({ rpc: { path, headers }, priority });
  } catch (error) {
    throw toConnectError(error);
  }
}

/** Never rejects: an error of the request's own cuts the stream, by which the caller learns of it. */
async function upload(stream: Stream, body: AsyncIterable<Uint8Array> | undefined): Promise<void> {
  try {
    if (body !== undefined) await writeBody(stream, body);
    stream.end();
  } catch (error) {
    const cause = toConnectError(error);
    stream.reset(toReason(cause), "The request could not be made.", cause);
  }
}
