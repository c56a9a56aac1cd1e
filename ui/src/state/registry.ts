/** What pages add while they are there, and take away when they go: commands of the palette, and keys. */
import { Signal } from "signal-polyfill";

export class Registry<T> {
  readonly #sources = new Signal.State<readonly (() => readonly T[])[]>([]);

  /** What the source gives is asked for whenever it is looked at. The result takes it away again. */
  add(source: () => readonly T[]): () => void {
    this.#sources.set([...this.#sources.get(), source]);
    return () => this.#sources.set(this.#sources.get().filter((one) => one !== source));
  }

  /** What was added last comes first. */
  list(): T[] {
    return this.#sources
      .get()
      .toReversed()
      .flatMap((source) => source());
  }
}
