/** Room for pieces that are too small to be kept as they are. */
const maxBlockBytes = 8 * 1024;

/**
 * What has arrived on a stream and was not read yet: bounded in bytes by the stream's credit, and here in memory. A
 * small piece of a large chunk would keep the whole chunk alive, and a thousand single bytes a thousand objects; such
 * pieces are copied together. Nothing is copied on a stream whose reader keeps up, for then nothing waits here.
 */
export class Inbox {
  #pieces: Uint8Array[] = [];
  #head = 0;
  #bytes = 0;
  /** The last piece, if it is a block of ours, and how much of it is filled. */
  #block: Uint8Array | undefined;
  #filled = 0;
  /** Most streams that wait hold one small message, so the first block is small; the next ones double. */
  #blockBytes = 512;

  get bytes(): number {
    return this.#bytes;
  }

  push(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (piece.length * 4 >= piece.buffer.byteLength || piece.length >= maxBlockBytes) {
      this.#seal();
      this.#pieces.push(piece);
      return;
    }
    if (this.#block !== undefined && this.#filled + piece.length > this.#block.length) this.#seal();
    if (this.#block === undefined) {
      this.#block = Buffer.allocUnsafeSlow(Math.max(this.#blockBytes, piece.length));
      this.#filled = 0;
    }
    this.#block.set(piece, this.#filled);
    this.#filled += piece.length;
  }

  /** The next bytes in order, however many lie together; undefined when there are none. */
  shift(): Uint8Array | undefined {
    if (this.#head === this.#pieces.length) this.#seal();
    const piece = this.#pieces[this.#head];
    if (piece === undefined) return undefined;
    this.#head += 1;
    if (this.#head * 2 > this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#head);
      this.#head = 0;
    }
    this.#bytes -= piece.length;
    return piece;
  }

  clear(): void {
    this.#pieces = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#block = undefined;
  }

  #seal(): void {
    if (this.#block === undefined) return;
    this.#pieces.push(this.#block.subarray(0, this.#filled));
    this.#block = undefined;
    this.#blockBytes = Math.min(this.#blockBytes * 2, maxBlockBytes);
  }
}
