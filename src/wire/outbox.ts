/** What was written on a stream and not sent yet, in order; bounded by whoever writes. Nothing is copied. */
export class Outbox {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  /** Moves the first `bytes`, which must be there, to `out`. */
  take(out: Uint8Array[], bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes === 0) {
      for (const piece of this.#pieces) out.push(piece);
      this.#pieces.length = 0;
    } else {
      this.#split(out, bytes);
    }
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }

  #split(out: Uint8Array[], bytes: number): void {
    let missing = bytes;
    let whole = 0;
    for (const piece of this.#pieces) {
      if (piece.length > missing) {
        if (missing > 0) out.push(piece.subarray(0, missing));
        this.#pieces[whole] = piece.subarray(missing);
        break;
      }
      out.push(piece);
      missing -= piece.length;
      whole += 1;
    }
    if (whole > 0) this.#pieces.splice(0, whole);
  }
}
