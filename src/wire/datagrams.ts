import type { DatagramOutlet } from "./datagram-line.ts";
import { Reason, type StreamError } from "./reason.ts";
import type { Stream } from "./stream.ts";

/** What comes before anybody listens: so many datagrams and bytes of them are kept at most. */
const mostEarly = 16;
const mostEarlyBytes = 64 * 1024;

/** A stream of datagrams: each whole or not at all, in any order, with no promise. */
export interface Datagrams {
  /**
   * Sends one, which belongs to the stream from now on. It may be lost on the way like any datagram; false when it is lost
   * already: it is too long, the line is full, or the stream is over.
   */
  send(payload: Uint8Array): boolean;
  /** Sets the one listener, which is told at once of what came before it. It must not throw. */
  listen(listener: (payload: Uint8Array) => void): void;
  /** Resolves when it is over: with the reason when it was cut, by either end, and with nothing when it was ended. Never rejects. */
  readonly closed: Promise<StreamError | undefined>;
  /** Ends it, or with an error cuts it and tells the other end why. Harmless when it is over. */
  close(error?: StreamError): void;
}

/** {@link Datagrams} on a stream that was dialled for them. */
export class DatagramFlow implements Datagrams {
  readonly closed: Promise<StreamError | undefined>;
  readonly #stream: Stream;
  readonly #outlet: DatagramOutlet;
  #early: Uint8Array[] = [];
  #earlyBytes = 0;
  #listener: ((payload: Uint8Array) => void) | undefined;
  #over = false;
  /** Whether this end has opened or accepted it. */
  #answered: boolean;
  /** Whether the other end has ended it before it was accepted. */
  #ended = false;
  #resolve: (error?: StreamError) => void = () => undefined;

  /** `onHead` is called once, when the other end has accepted. */
  constructor(stream: Stream, outlet: DatagramOutlet, onHead?: () => void) {
    this.#stream = stream;
    this.#outlet = outlet;
    this.#answered = stream.opened;
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    stream.onDatagram = (payload) => this.#arrived(payload);
    stream.attach({
      head: () => onHead?.(),
      data: (piece) => {
        stream.consumed(piece.length);
        stream.reset(Reason.PROTOCOL, "Data came on a stream that is for datagrams.");
        return true;
      },
      end: () => {
        if (this.#answered) this.close();
        else this.#ended = true;
      },
      reset: (error) => this.#finish(error),
    });
  }

  /** Of a stream that the other end has opened; once. */
  accept(): void {
    this.#answered = true;
    this.#stream.sendHead();
    if (this.#ended) this.close();
  }

  send(payload: Uint8Array): boolean {
    return !this.#over && this.#outlet.send(this.#stream, payload);
  }

  listen(listener: (payload: Uint8Array) => void): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = [];
    this.#earlyBytes = 0;
    for (const payload of early) listener(payload);
  }

  close(error?: StreamError): void {
    if (this.#over) return;
    if (error !== undefined) {
      this.#stream.reset(error.reason, error.message, error);
      return;
    }
    this.#stream.end();
    this.#finish();
  }

  #arrived(payload: Uint8Array): void {
    if (this.#over) return;
    if (this.#listener !== undefined) this.#listener(payload);
    else if (this.#early.length < mostEarly && this.#earlyBytes + payload.length <= mostEarlyBytes) {
      // A copy, since what was decoded is a view that would keep the connection's chunk alive.
      this.#early.push(Uint8Array.from(payload));
      this.#earlyBytes += payload.length;
    }
  }

  #finish(error?: StreamError): void {
    this.#over = true;
    this.#early = [];
    this.#resolve(error);
  }
}
