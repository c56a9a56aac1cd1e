/** Follows the prefixes of gRPC's messages through a stream of bytes, to know whether it ended between two of them. */
export class Envelopes {
  /** Bytes of the prefix that have come, of five. */
  #prefix = 0;
  #length = 0;
  /** Bytes of the message that are still to come. */
  #left = 0;

  take(piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, piece.length - at);
        this.#left -= step;
        at += step;
        continue;
      }
      // The first byte of a prefix holds flags, the other four the length.
      this.#length = this.#prefix === 0 ? 0 : this.#length * 256 + (piece[at] ?? 0);
      this.#prefix += 1;
      at += 1;
      if (this.#prefix < 5) continue;
      this.#prefix = 0;
      this.#left = this.#length;
    }
  }

  /** True when what was taken ends in the middle of a message. */
  get isPartial(): boolean {
    return this.#prefix > 0 || this.#left > 0;
  }
}
