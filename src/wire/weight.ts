const KiB = 1024;

/** A stream that has sent no more than this lately is light. */
const lightBytes = 16 * KiB;
/** Bytes a millisecond that are forgotten: who sends less all the time, 1 Mbit/s, stays light. */
const forgottenPerMs = 128;

/**
 * How much a stream has sent lately. A light one is a key that was pressed, a request, the first of an answer: it goes ahead of
 * what fills the pipe, and with that it costs the others next to nothing. The idea is that of new flows in RFC 8290 (FQ-CoDel).
 */
export class Weight {
  #bytes = 0;
  #at = 0;

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  isLight(nowMs: number): boolean {
    this.#bytes = Math.max(0, this.#bytes - (nowMs - this.#at) * forgottenPerMs);
    this.#at = nowMs;
    return this.#bytes < lightBytes;
  }
}
