import type { Clock, Timer } from "../base/clock.ts";

/** The other end is told when so many bytes of counted frames have come, or so long after the first of them. */
const atBytes = 16 * 1024;
const atMs = 10_000;

/** What a frame is counted for beyond its content, so that many small ones are told of in time. Bytes. */
const frameBytes = 20;

export interface ReceiptsDeps {
  readonly clock: Clock;
  /** An Ack is due: it leaves when all that came in this turn is handled. */
  due(): void;
}

/** Counts the frames that have come, of those that count, and says when the other end is to be told. */
export class Receipts {
  readonly #deps: ReceiptsDeps;
  #received = 0;
  /** Of datagrams, on the present carrier. */
  #datagramBytes = 0;
  #owedBytes = 0;
  #isDue = false;
  #timer: Timer | undefined;
  #hasten = false;

  constructor(deps: ReceiptsDeps) {
    this.#deps = deps;
  }

  get isDue(): boolean {
    return this.#isDue;
  }

  /** Counted bytes of datagrams that have come on the present carrier. */
  get datagramBytes(): number {
    return this.#datagramBytes;
  }

  /** One more has come, with so many bytes. */
  count(bytes: number): void {
    this.#received += 1;
    this.#owe(bytes + frameBytes);
  }

  /** A datagram has come, which counts for so many bytes. */
  countDatagram(bytes: number): void {
    this.#datagramBytes += bytes;
    this.#owe(bytes);
  }

  /** The session goes on at another carrier. */
  restart(): void {
    this.#datagramBytes = 0;
  }

  #owe(bytes: number): void {
    this.#owedBytes += bytes;
    if (this.#isDue) return;
    if (this.#hasten || this.#owedBytes >= atBytes) this.#fallDue();
    else if (this.#timer === undefined) {
      this.#timer = this.#deps.clock.after(atMs, () => this.#fallDue());
      this.#timer.unref?.();
    }
  }

  /** From now on nothing waits: the other end leaves as soon as it knows that all has come. */
  hasten(): void {
    this.#hasten = true;
    if (!this.#isDue) this.#fallDue();
  }

  /** How many have come, which from now on the other end knows. */
  tell(): number {
    this.close();
    this.#owedBytes = 0;
    this.#isDue = false;
    return this.#received;
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #fallDue(): void {
    this.#isDue = true;
    this.#deps.due();
  }
}
