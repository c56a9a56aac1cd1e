import type { TestContext } from "node:test";

/** What somebody tries beyond a limit. */
export interface Breach {
  /** The limit, as docs/limits.md calls it. */
  readonly limit: string;
  /** What is tried, for the test's name. */
  readonly attack: string;
  /** Tries it, and shows that the limit is met, what is seen of it, and that nobody else suffers. */
  run(t: TestContext): Promise<void>;
}
