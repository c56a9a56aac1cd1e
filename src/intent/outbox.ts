/**
 * What waits to be said, by key. The message is made from the present state when it is taken, never when it is put in, so
 * that a hundred changes of one object cost one message and the memory is bounded by the number of objects.
 */
export class Outbox {
  readonly #keys = new Set<string>(); // Insertion order is the order of saying.
  #closed = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  /** Adding a key that waits already changes nothing. */
  add(key: string): void {
    if (this.#closed) return;
    this.#keys.add(key);
    this.#wake?.();
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Ends `take`, at once: what was not said is left to the next conversation. */
  close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#keys.clear();
    this.#wake?.();
  }

  /** Gives each key once for all the times it was added before; waits for more until closed, then throws what closed it. */
  async *take(): AsyncGenerator<string, void, undefined> {
    while (!this.#closed) {
      const next = this.#keys.values().next();
      if (next.done) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      } else {
        this.#keys.delete(next.value);
        yield next.value;
      }
    }
    if (this.#error) throw this.#error;
  }
}
