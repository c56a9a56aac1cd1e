import type { DatagramPipe } from "../base/datagram-pipe.ts";
import type { DatagramOutlet } from "./datagram-line.ts";
import { Reason, StreamError } from "./reason.ts";
import type { Stream } from "./stream.ts";

/** What comes before anybody listens: so many datagrams and bytes of them are kept at most. */
const mostEarly = 16;
const mostEarlyBytes = 64 * 1024;

/**
 * A stream of datagrams. `send` is false for one that is too long, when the line is full, and when the stream is over; a listener is told
 * at once of what came before it.
 */
export interface Datagrams extends DatagramPipe {
  /** With the reason when it was cut, by either end. */
  readonly closed: Promise<StreamError | undefined>;
  /** With an error cuts it and tells the other end why: the reason and the words of a {@link StreamError}, else only that it broke. */
  close(error?: Error): void;
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

  close(error?: Error): void {
    if (this.#over) return;
    if (error instanceof StreamError) this.#stream.reset(error.reason, error.message, error);
    else if (error !== undefined) this.#stream.reset(Reason.BROKEN, "What is behind the stream broke.", error);
    else {
      this.#stream.end();
      this.#finish();
    }
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
