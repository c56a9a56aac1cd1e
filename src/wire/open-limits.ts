import type { Clock } from "../base/clock.ts";
import { createRateLimit, type RateLimit } from "../base/rate-limit.ts";
import type { Open } from "../gen/fairlead/wire/v1/frame_pb.ts";
import { openBytes } from "./incoming.ts";
import type { Limits } from "./limits.ts";
import { Reason, StreamError } from "./reason.ts";

/** What the other end may open: how many streams at a time and in a second, and how much these may ask for. */
export class OpenLimits {
  readonly #limits: Limits;
  readonly #rate: RateLimit;
  /** Why no stream is taken any more. */
  #closedTo: StreamError | undefined;
  #count = 0;
  #askedBytes = 0;

  constructor(deps: { readonly clock: Clock; readonly limits: Limits }) {
    const { clock, limits } = deps;
    this.#limits = limits;
    this.#rate = createRateLimit({ clock, burst: limits.opensPerSecond, perSecond: limits.opensPerSecond });
  }

  /** Streams of the other end that are open. */
  get count(): number {
    return this.#count;
  }

  /** Takes no more. */
  close(error: StreamError): void {
    this.#closedTo = error;
  }

  /** A stream was taken up that asks for so many bytes. */
  add(askedBytes: number): void {
    this.#count += 1;
    this.#askedBytes += askedBytes;
  }

  /** Such a stream is over. */
  remove(askedBytes: number): void {
    this.#count -= 1;
    this.#askedBytes -= askedBytes;
  }

  /** Why a stream is not taken up, if it is not; each that is asked about counts for how many there are in a second. */
  refusal(open: Open, askedBytes: number): StreamError | undefined {
    const limits = this.#limits;
    if (!this.#rate.take())
      return new StreamError(Reason.TOO_MANY_OPENS, `More than ${limits.opensPerSecond} in a second.`);
    if (this.#closedTo !== undefined) return this.#closedTo;
    if (this.#count >= limits.maxStreams) {
      return new StreamError(Reason.TOO_MANY_STREAMS, `More than ${limits.maxStreams} at a time.`);
    }
    if (openBytes(open.what) > limits.maxHeaderBytes) {
      return new StreamError(Reason.HEADERS_TOO_LARGE, `More than ${limits.maxHeaderBytes} bytes of headers.`);
    }
    if (this.#askedBytes + askedBytes > limits.maxAskedBytes) {
      const message = `The streams that are open ask for more than ${limits.maxAskedBytes} bytes of headers and names.`;
      return new StreamError(Reason.OVERLOADED, message);
    }
    return undefined;
  }
}
