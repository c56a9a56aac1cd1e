/**
 * A bounded queue between one writer that must not wait and one reader that may. The writer learns at once when the
 * bound is reached and decides what that means; nothing is dropped in silence.
 *
 * What was pushed before `close` is still read. After that the iteration ends, or throws the error that `close` was
 * given. A reader that leaves its loop closes the queue, and what it left behind is let go.
 */
export class Queue<T> implements AsyncIterable<T> {
  readonly #limit: number;
  #items: T[] = [];
  #head = 0;
  #closed = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #read = false;

  /** Holds up to `limit` items that no reader has taken. */
  constructor(limit: number) {
    if (!(limit >= 1)) throw new RangeError(`A queue needs room for at least one item, not ${limit}.`);
    this.#limit = limit;
  }

  /** How many items wait for the reader. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  /** False when the queue is full or closed; the item was then not taken. */
  push(v: T): boolean {
    if (this.#closed || this.size >= this.#limit) return false;
    this.#items.push(v);
    this.#wake?.();
    return true;
  }

  /** No more items; a second call changes nothing. */
  close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#wake?.();
  }

  /** May be iterated once: two readers would each see half. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    if (this.#read) throw new Error("This queue has a reader already.");
    this.#read = true;
    try {
      while (true) {
        while (this.size > 0) yield this.#shift();
        if (this.#closed) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      this.#closed = true;
      this.#items = [];
      this.#head = 0;
    }
    if (this.#error) throw this.#error;
  }

  #shift(): T {
    const item = this.#items[this.#head] as T; // Only called while size > 0, and T may itself include undefined.
    this.#head += 1;
    // Compacting at half keeps both the cost of a shift and the memory of what was read constant.
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
