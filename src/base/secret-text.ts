import { inspect } from "node:util";

/** What stands in for a secret wherever something is printed. */
export const secretMask = "[secret]";

/**
 * A text that no log, error, template or JSON shows by accident. Only `reveal` gives it out, so that a search for that
 * word finds every place where a secret is used.
 */
export class SecretText {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
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
