/**
 * Several writers, one reader, in order of arrival. A writer waits while too much is unread, so that a reader who stops
 * stops what they read from, too.
 */
export class Merge<T> implements AsyncIterable<T> {
  readonly #limit: number;
  readonly #items: T[] = [];
  readonly #writers: (() => void)[] = [];
  #wakeReader: (() => void) | undefined;
  #ended = false;

  /** Up to `limit` items wait for the reader. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when the item has found its place; at once, without effect, after the end. */
  async put(item: T): Promise<void> {
    while (this.#items.length >= this.#limit && !this.#ended) {
      await new Promise<void>((resolve) => this.#writers.push(resolve));
    }
    if (this.#ended) return;
    this.#items.push(item);
    this.#wakeReader?.();
  }

  /** No more items; what was put is still read. */
  end(): void {
    this.#ended = true;
    this.#wakeReader?.();
    for (const wake of this.#writers.splice(0)) wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        while (this.#items.length > 0) {
          const item = this.#items.shift() as T; // There is one, and T may include undefined.
          this.#writers.shift()?.();
          yield item;
        }
        if (this.#ended) return;
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
        this.#wakeReader = undefined;
      }
    } finally {
      this.#items.length = 0;
      this.end();
    }
  }
}
