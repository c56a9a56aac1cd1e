/** The other end's permission to send: spent by data, added to by Credit frames. */
export class SendCredit {
  #available: number;

  constructor(initial: number) {
    this.#available = initial;
  }

  get available(): number {
    return this.#available;
  }

  /** Only what is available may be spent. */
  spend(bytes: number): void {
    this.#available -= bytes;
  }

  /** False when the sum is beyond what a number can count; the grant was then not taken. */
  add(bytes: bigint): boolean {
    const sum = BigInt(this.#available) + bytes;
    if (sum > BigInt(Number.MAX_SAFE_INTEGER)) return false;
    this.#available = Number(sum);
    return true;
  }
}

/**
 * What this end has permitted the other to send. What the reader has consumed is given back in portions of a quarter of the
 * window: rarely enough to cost nothing, early enough that a sender never waits for a reader who keeps up.
 */
export class ReceiveCredit {
  readonly #portion: number;
  #left: number;
  #owed = 0;

  constructor(window: number) {
    this.#left = window;
    this.#portion = Math.max(1, window >> 2);
  }

  /** Data has come. False when there was no credit for it. */
  arrived(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** The reader has consumed bytes. True when enough is owed to be worth a frame. */
  consumed(bytes: number): boolean {
    this.#owed += bytes;
    return this.#owed >= this.#portion;
  }

  /** Everything owed, given from now on; for the Credit frame. */
  give(): number {
    const bytes = this.#owed;
    this.#owed = 0;
    this.#left += bytes;
    return bytes;
  }
}
