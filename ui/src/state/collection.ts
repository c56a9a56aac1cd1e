/** Things of one kind by their keys, as the watch tells them: pages read them, and are told at most once a frame that something has changed. */
import { Signal } from "signal-polyfill";

export class Collection<T> {
  readonly #things = new Map<string, T>();
  readonly #version = new Signal.State(0);
  readonly #most: number;
  /** What has been told since the present state began anew; undefined when that is whole. */
  #told: Set<string> | undefined;
  #list: readonly T[] | undefined;
  #isChanged = false;

  /** Keeps the latest `most` things; all unless given. */
  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  /** Undefined when there is none. */
  get(key: string): T | undefined {
    this.#version.get();
    return this.#things.get(key);
  }

  /** All of them, in the order in which they came first; the same array until something changes. */
  list(): readonly T[] {
    this.#version.get();
    this.#list ??= [...this.#things.values()];
    return this.#list;
  }

  /** The present state is about to be told: what is not told again until `settle` is gone. */
  begin(): void {
    this.#told = new Set();
  }

  settle(): void {
    const told = this.#told;
    this.#told = undefined;
    if (!told) return;
    for (const key of this.#things.keys()) if (!told.has(key)) this.drop(key);
  }

  put(key: string, thing: T): void {
    this.#told?.add(key);
    this.#things.set(key, thing);
    this.#isChanged = true;
    if (this.#things.size <= this.#most) return;
    const [oldest] = this.#things.keys();
    if (oldest !== undefined) this.#things.delete(oldest);
  }

  drop(key: string): void {
    if (this.#things.delete(key)) this.#isChanged = true;
  }

  clear(): void {
    this.#told = undefined;
    this.#isChanged ||= this.#things.size > 0;
    this.#things.clear();
  }

  /** Shows what has changed since the last time to whoever reads it. */
  show(): void {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    this.#list = undefined;
    this.#version.set(this.#version.get() + 1);
  }
}
