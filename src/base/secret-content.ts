import { inspect } from "node:util";
import { secretMask } from "./secret-text.ts";

/**
 * What a Secret or a ConfigMap holds: bytes by their keys, which no log, error, template or JSON shows by accident. Only
 * `reveal` gives them out, so that a search for that word finds every place where they are used.
 */
export class SecretContent {
  readonly #data: Readonly<Record<string, Uint8Array>>;
  /** Of all keys and values together. */
  readonly bytes: number;

  constructor(data: Readonly<Record<string, Uint8Array>>) {
    this.#data = data;
    this.bytes = Object.entries(data).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + value.length, 0);
  }

  reveal(): Readonly<Record<string, Uint8Array>> {
    return this.#data;
  }

  /** In order. Keys are no secrets: what refers to a value names its key. */
  keys(): string[] {
    return Object.keys(this.#data).sort();
  }

  toString(): string {
    return secretMask;
  }

  toJSON(): string {
    return secretMask;
  }

  [inspect.custom](): string {
    return secretMask;
  }
}
