/**
 * Bounds what callers make this end hold of messages that are not whole yet. A message is counted from the moment that its
 * length is known, since whoever has said a length may send that much.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { maxMessageBytes } from "./message.ts";

/** Bytes of unfinished messages, over all callers. */
export class UnfinishedMessages {
  readonly #most: number;
  readonly #refusal: (message: string) => ConnectError;
  readonly #byCaller = new Map<string, number>();
  #bytes = 0;

  /** `refusal` makes the error of whoever would hold too much. */
  constructor(mostBytes: number, refusal = tooMuch) {
    this.#most = mostBytes;
    this.#refusal = refusal;
  }

  /** Bytes that are counted now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts what one call of that caller holds. */
  call(caller: string): UnfinishedCall {
    return new UnfinishedCall({
      mayHold: (bytes) => (this.#byCaller.get(caller) ?? 0) + bytes <= this.#most - this.#bytes,
      change: (bytes) => this.#change(caller, bytes),
      refusal: () => this.#refusal("Too many long messages are under way here; send fewer at a time."),
    });
  }

  #change(caller: string, bytes: number): void {
    this.#bytes += bytes;
    const own = (this.#byCaller.get(caller) ?? 0) + bytes;
    if (own > 0) this.#byCaller.set(caller, own);
    else this.#byCaller.delete(caller);
  }
}

interface CallOwner {
  mayHold(bytes: number): boolean;
  refusal(): ConnectError;
  change(bytes: number): void;
}

/** The message that is under way in one call. */
export class UnfinishedCall {
  readonly #owner: CallOwner;
  #held = 0;
  #over = false;

  constructor(owner: CallOwner) {
    this.#owner = owner;
  }

  /**
   * Passes the request's body on. Throws ResourceExhausted when a message in it is longer than the caller may begin now: with it
   * the caller would hold more than there is room left for, so that each leaves half of what it found.
   */
  async *meter(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const prefix = Buffer.alloc(5);
    let read = 0;
    let left = 0;
    for await (const piece of body) {
      let at = 0;
      while (at < piece.length) {
        if (left > 0) {
          const step = Math.min(left, piece.length - at);
          left -= step;
          at += step;
          if (left === 0) this.#hold(0);
        } else {
          prefix[read] = piece[at] ?? 0;
          read += 1;
          at += 1;
          if (read < prefix.length) continue;
          read = 0;
          // One that is longer than any may be is refused by who reads it.
          left = Math.min(prefix.readUInt32BE(1), maxMessageBytes);
          if (!this.#owner.mayHold(left)) throw this.#owner.refusal();
          this.#hold(left);
        }
      }
      yield piece;
    }
  }

  /**
   * Passes on a body that is one message of which nobody has said the length. What has come of it counts until the call is over, since
   * as long somebody works with it. Throws as `meter` does.
   */
  async *meterWhole(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of body) {
      if (!this.#owner.mayHold(piece.length)) throw this.#owner.refusal();
      this.#hold(this.#held + piece.length);
      yield piece;
    }
  }

  /** The call is over: nothing of it counts any more. Whoever read its body may have left it in the middle, with no word to `meter`. */
  end(): void {
    this.#hold(0);
    this.#over = true;
  }

  #hold(bytes: number): void {
    if (this.#over) return;
    this.#owner.change(bytes - this.#held);
    this.#held = bytes;
  }
}

function tooMuch(message: string): ConnectError {
  return new ConnectError(message, Code.ResourceExhausted);
}
