/**
 * Node's own HTTP client over dialled streams: an agent whose sockets are dials of an app's port. Idle connections are
 * kept for a moment, few of them, and go as soon as the app ends them.
 */
import type { AgentOptions, ClientRequest, ClientRequestArgs } from "node:http";
import { isIP } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { checkServerIdentity, connect as connectTls } from "node:tls";
import { abortable, startDeadline } from "../base/abort.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { DialingAgent } from "../base/dialing-agent.ts";
import { join } from "../base/join.ts";
import { targetText } from "../wire/target-text.ts";
import { type ByteRate, paceOf } from "./byte-rate.ts";
import type { AppDialer, Destination } from "./entry.ts";
import type { Passage, TlsRules } from "./passage.ts";
import type { PeerRates } from "./peer-rates.ts";
import { TunnelError, toTunnelError } from "./tunnel-error.ts";

export interface AppAgentDeps {
  dial: AppDialer;
  clock: Clock;
  rates: PeerRates;
  /** How long an idle connection is kept, in milliseconds; 1,000 unless given: below what the usual servers allow. */
  idleMs?: number;
}

/** Where one request goes; passed through the options of `http.request`. */
export class AppRoute {
  readonly destination: Destination;
  /** Absent for a connection in clear. */
  readonly tls: TlsRules | undefined;
  readonly rate: ByteRate | undefined;
  /** Connections are shared between requests of the same key only. */
  readonly key: string;
  readonly #client: { readonly signal: AbortSignal };

  /** `client` has gone when its signal aborts. */
  constructor(passage: Passage, client: { readonly signal: AbortSignal }) {
    this.destination = passage.destination;
    // An app's certificate is usually its own, for a name that is not known here, and who runs it is proven by the link.
    this.tls = passage.scheme === "https" ? (passage.tls ?? { insecure: true }) : undefined;
    this.rate = passage.rate;
    this.#client = client;
    this.key = JSON.stringify([this.tls ?? "", this.rate !== undefined, destinationKey(this.destination)]);
  }

  /** Aborts the dial when the request is given up before it has a connection. */
  get signal(): AbortSignal {
    return this.#client.signal;
  }
}

/** Not shared between people: the record says of each connection who opened it. */
export function destinationKey({ peer, target, person }: Destination): string {
  const uid = target.kind === "app" ? target.uid : undefined;
  return JSON.stringify([peer, targetText(target), uid ?? "", person ?? ""]);
}

/** The options of a request through an {@link AppAgent}. */
export interface RoutedRequest extends ClientRequestArgs {
  route: AppRoute;
}

/** So long a connection, with TLS where the app has it, may take: longer than its host waits for the app, whose word is better. Milliseconds. */
const connectMs = 30_000;

/** What the app owes after an answer, so long: the end of a connection that it said to close. Milliseconds. */
const lingerMs = 5_000;

const poolLimits: AgentOptions = { keepAlive: true, maxFreeSockets: 256, scheduling: "lifo" };

export class AppAgent extends DialingAgent {
  readonly #deps: AppAgentDeps;
  readonly #idle = new Map<Duplex, Timer>();
  readonly #pooled: boolean;

  /** Without `pooled`, each request has a connection of its own, which is closed after it. */
  constructor(deps: AppAgentDeps, pooled: boolean) {
    super((options) => this.#connect(routeOf(options)), pooled ? poolLimits : { keepAlive: false });
    this.#deps = deps;
    this.#pooled = pooled;
  }

  override getName(options?: object): string {
    return routeOf(options).key;
  }

  override keepSocketAlive(stream: Duplex): boolean {
    if (stream.destroyed || stream.readableEnded || stream.readableLength > 0) return false;
    const timer = this.#deps.clock.after(this.#deps.idleMs ?? 1_000, () => stream.destroy());
    timer.unref?.();
    this.#idle.set(stream, timer);
    return true;
  }

  override reuseSocket(stream: Duplex, request: ClientRequest): void {
    this.#wake(stream);
    super.reuseSocket(stream, request);
  }

  /**
   * Ends the stream of a request when the app sends what is part of no answer, such as a body after HEAD: the next request would
   * take what is left of it for its own answer. Node itself sees that of sockets only. To be called once Node listens, which
   * leaves off in the midst of the last piece of an answer, so this looks first.
   */
  watch(stream: Duplex): void {
    if (!stream.listeners("data").includes(endUnasked)) stream.prependListener("data", endUnasked);
  }

  async #connect(route: AppRoute): Promise<Duplex> {
    const late = (): TunnelError => new TunnelError("timeout", `The app was not reached within ${connectMs / 1000} s.`);
    const deadline = startDeadline(this.#deps.clock, connectMs, late, route.signal);
    try {
      return await this.#open(route, deadline.signal);
    } finally {
      deadline.cancel();
    }
  }

  async #open(route: AppRoute, signal: AbortSignal): Promise<Duplex> {
    const dialled = await abortable(this.#deps.dial(route.destination, signal), signal);
    const held = paced(dialled, [route.rate, this.#deps.rates.bytes(route.destination.peer)]);
    const stream = route.tls ? await startTls(held, route.tls, signal) : held;
    if (stream.destroyed) throw stream.errored ?? new Error("The app broke the connection off as soon as it stood.");
    // After its end there is no answer to come; a half-open connection must not be taken for a usable one.
    stream.once("end", () => {
      if (this.#idle.has(stream)) stream.destroy();
    });
    stream.once("close", () => this.#wake(stream));
    // Node ends it after an answer that said to close, and leaves the rest to the app; who has upgraded may end one side for long.
    if (this.#pooled) stream.once("finish", () => this.#endSoon(stream));
    return stream;
  }

  #endSoon(stream: Duplex): void {
    const timer = this.#deps.clock.after(lingerMs, () => stream.destroy());
    timer.unref?.();
    stream.once("close", () => timer.cancel());
  }

  #wake(stream: Duplex): void {
    this.#idle.get(stream)?.cancel();
    this.#idle.delete(stream);
  }
}

/** Node listens from the request to the end of its answer; without it, nobody waits for these bytes. */
function endUnasked(this: Duplex): void {
  if (this.listenerCount("data") === 1) this.destroy();
}

function routeOf(options: object | undefined): AppRoute {
  const route: unknown = options && "route" in options ? options.route : undefined;
  if (!(route instanceof AppRoute)) throw new TypeError("A request through a tunnel needs a route.");
  return route;
}

/** The stream, held to rates that it shares with others. Whoever breaks off, at either end, takes the other along. */
export function paced(stream: Duplex, bounds: readonly (ByteRate | undefined)[]): Duplex {
  const rates = bounds.filter((rate) => rate !== undefined);
  if (rates.length === 0) return stream;
  const [near, far] = duplexPair();
  // The two of a pair tell one another of an end, and of nothing else.
  const hasEnded = (one: Duplex): boolean => one.readableEnded && one.writableFinished;
  stream.once("close", () => {
    if (!hasEnded(stream)) near.destroy(stream.errored ?? new Error("The connection broke."));
  });
  near.once("close", () => {
    if (!hasEnded(near)) far.destroy(new Error("The connection was given up."));
  });
  void join(far, stream, () => paceOf(rates, () => undefined));
  return near;
}

/** TLS from here to the app, so that its host's agent sees nothing. */
function startTls(dialled: Duplex, { serverName, ca, insecure }: TlsRules, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const stream = connectTls({
      socket: dialled,
      rejectUnauthorized: !insecure,
      ALPNProtocols: ["http/1.1"],
      ...(serverName !== undefined && isIP(serverName) === 0 && { servername: serverName }),
      ...(ca !== undefined && { ca }),
      checkServerIdentity: (_host, certificate) => {
        if (serverName === undefined)
          return ca === undefined ? new Error("No name is known that it must have.") : undefined;
        return checkServerIdentity(serverName, certificate);
      },
    });
    const onAbort = (): void => void stream.destroy(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    // For good: the app can break the connection in the very bytes that end the handshake, when nobody else listens yet.
    stream.on("error", (error) => reject(signal.aborted ? error : explainTls(error)));
    stream.once("secureConnect", () => {
      signal.removeEventListener("abort", onAbort);
      resolve(stream);
    });
  });
}

function explainTls(error: Error & { code?: string }): TunnelError {
  const certificate = /CERT|SIGNATURE|ISSUER|ALTNAME/.test(error.code ?? "") || /name is known/.test(error.message);
  if (!certificate) return toTunnelError(error);
  const message = `The app's certificate is not what door.tls of the app asks for: ${error.message}`;
  return new TunnelError("broken", message, { cause: error });
}
