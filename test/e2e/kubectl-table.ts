/** One command by both ways to the same API server: what it prints and how it ends must be the same. */
import assert from "node:assert/strict";
import { type Command, type Rule, rules } from "./kubectl-commands.ts";
import { kubectl, type Way } from "./kubectl-stage.ts";

/** What it printed, all rules applied, with its exit code. */
export interface Printed {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function commandOf(each: string | Command): Command {
  return typeof each === "string" ? { say: each } : each;
}

export async function print(way: Way, command: Command, always: readonly Rule[]): Promise<Printed> {
  const { say, input, env, alike = [] } = command;
  const args = typeof say === "string" ? say.split(" ") : say;
  const { code, stdout, stderr } = await kubectl(way, args, {
    ...(input !== undefined && { input }),
    ...(env && { env }),
  });
  const even = (text: string): string => [...always, ...alike].reduce((so, rule) => rules[rule](so), text);
  return { code, stdout: even(stdout), stderr: even(stderr) };
}

/** What differs, command by command. */
export class Differences {
  readonly #found: string[] = [];
  count = 0;

  compare({ say }: Command, tunnel: Printed, direct: Printed): void {
    this.count += 1;
    try {
      assert.deepEqual(tunnel, direct);
    } catch (error) {
      const text = typeof say === "string" ? say : say.join(" ");
      this.#found.push(`kubectl ${text}\n${error instanceof Error ? error.message : error}`);
    }
  }

  none(): void {
    assert.equal(
      this.#found.length,
      0,
      `${this.#found.length} of ${this.count} differ:\n\n${this.#found.join("\n\n")}`,
    );
  }
}
