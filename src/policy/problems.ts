/** What is wrong with a policy, by where. */
import { shorten } from "./shorten.ts";

/** Problems of one policy that are told of. */
const mostProblems = 16;
/** Of one problem, in which a value may stand that somebody wrote. */
const mostChars = 400;

/** Of each path the first problem. */
export class Problems {
  readonly #found = new Map<string, string>();

  /** As `Resource.problems` has them: "spec.foo: unknown field". */
  addText(text: string): void {
    const colon = text.indexOf(": ");
    this.add(colon < 0 ? "spec" : text.slice(0, colon), colon < 0 ? text : text.slice(colon + 2));
  }

  add(path: string, message: string): void {
    if (!this.#found.has(path)) this.#found.set(path, message);
  }

  /** Whether anything is wrong at the path or below it. */
  has(path: string): boolean {
    return [...this.#found.keys()].some((found) => found === path || found.startsWith(`${path}.`));
  }

  list(): string[] {
    const texts = [...this.#found].map(([path, message]) => shorten(`${path}: ${message}`, mostChars));
    const more = texts.length - mostProblems;
    return more > 0 ? [...texts.slice(0, mostProblems), `and ${more} more`] : texts;
  }
}
