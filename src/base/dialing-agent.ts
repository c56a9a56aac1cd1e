/** Node's HTTP client over connections that we make ourselves: dialled streams, port-forwards. */
import { Agent, type AgentOptions, type ClientRequest, type ClientRequestArgs } from "node:http";
import { Duplex } from "node:stream";

/** Makes one connection for a request with these options. Its rejection becomes the request's `error`. */
export type DialConnection = (options: ClientRequestArgs) => Promise<Duplex>;

/**
 * An `http.Agent` whose connections come from `dial`. They need be no sockets: what Node asks of a kept-alive socket and
 * a Duplex does not have (TCP keep-alive, ref and unref) is left out. The defaults are those of `http.Agent`.
 */
export class DialingAgent extends Agent {
  readonly #dial: DialConnection;

  constructor(dial: DialConnection, options: AgentOptions = {}) {
    super(options);
    this.#dial = dial;
  }

  override createConnection(
    options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#dial(options).then(
      (connection) => callback?.(null, asSocket(connection)),
      (cause: unknown) => {
        const error = cause instanceof Error ? cause : new Error(String(cause));
        // Node looks at the error alone; its types want a stream beside it.
        callback?.(error, new Duplex());
      },
    );
    return undefined;
  }

  override keepSocketAlive(connection: Duplex): boolean {
    return !connection.destroyed;
  }

  override reuseSocket(connection: Duplex, request: ClientRequest): void {
    // Node's own takes back the listener that it gave the idle connection, and calls `ref`, which a Duplex does not have.
    if (!("ref" in connection)) Object.assign(connection, { ref: () => connection });
    super.reuseSocket(connection, request);
  }
}

/** Connect's client writes nothing before a socket says that it is open; other streams are open once they are dialled. */
function asSocket(connection: Duplex): Duplex {
  if (!("readyState" in connection)) Object.assign(connection, { readyState: "open" });
  return connection;
}
