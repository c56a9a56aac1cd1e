/** A Map of so many entries at most. What is set is the youngest; the oldest goes for it. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #most: number;

  /** `most` is one at least. */
  constructor(most: number) {
    super();
    this.#most = most;
  }

  override set(key: K, value: V): this {
    this.delete(key);
    if (this.size >= this.#most) {
      const { value: oldest } = this.keys().next();
      if (oldest !== undefined) this.delete(oldest);
    }
    return super.set(key, value);
  }

  /** The value of the key, made if there is none. It is the youngest then. */
  touch(key: K, make: () => V): V {
    const value = this.get(key) ?? make();
    this.set(key, value);
    return value;
  }
}
