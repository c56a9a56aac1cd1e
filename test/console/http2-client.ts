/** A client of the doors that speaks HTTP/2, as Node has it. */
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";

export interface Http2Answer {
  readonly headers: IncomingHttpHeaders;
  readonly informed: IncomingHttpHeaders[];
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly body: Buffer;
  readonly rstCode: number | undefined;
  /** Whether the head was also the end. */
  readonly headEnded: boolean;
}

export interface Http2Client extends AsyncDisposable {
  readonly session: ClientHttp2Session;
  start(
    path: string,
    headers?: OutgoingHttpHeaders,
    o?: { endStream?: boolean; waitForTrailers?: boolean },
  ): ClientHttp2Stream;
  ask(path: string, headers?: OutgoingHttpHeaders, body?: Uint8Array | string): Promise<Http2Answer>;
}

export async function connectHttp2(origin: string, always: OutgoingHttpHeaders = {}): Promise<Http2Client> {
  const session = connect(origin, { rejectUnauthorized: false });
  session.on("error", () => undefined);
  await once(session, "connect");
  const client: Http2Client = {
    session,
    start: (path, headers = {}, o = {}) => session.request({ ":path": path, ...always, ...headers }, o),
    ask(path, headers = {}, body) {
      const stream = client.start(path, body === undefined ? headers : { ":method": "POST", ...headers }, {
        endStream: body === undefined,
      });
      if (body !== undefined) stream.end(body);
      return answerOf(stream);
    },
    async [Symbol.asyncDispose]() {
      session.destroy();
    },
  };
  return client;
}

/** All that comes of an answer until its stream is closed, whole or not. */
export function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  const informed: IncomingHttpHeaders[] = [];
  const parts: Buffer[] = [];
  let head: IncomingHttpHeaders = {};
  let headEnded = false;
  let trailers: IncomingHttpHeaders | undefined;
  stream.on("headers", (headers) => informed.push(headers));
  stream.on("response", (headers, flags) => {
    head = headers;
    headEnded = (flags & 1) === 1;
  });
  stream.on("trailers", (headers) => {
    trailers = headers;
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.on("error", () => undefined);
  return new Promise((resolve) => {
    stream.once("close", () =>
      resolve({ headers: head, informed, trailers, body: Buffer.concat(parts), rstCode: stream.rstCode, headEnded }),
    );
  });
}
