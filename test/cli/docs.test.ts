/** docs/cli.md says what the program can do, and nothing that it cannot. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import type { Command } from "commander";
import { exitCode } from "../../src/cli/errors.ts";
import { buildProgram } from "../../src/cli/program.ts";
import { testContext } from "./world.ts";

const page = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");
const program = buildProgram(testContext());

/** Every command that does something, by its words. */
function commandsOf(command: Command, words: readonly string[]): [string, Command][] {
  // What shells ask of the program is for no person.
  const forPeople = command.commands.filter((child) => !child.name().startsWith("__"));
  const below = forPeople.flatMap((child) => commandsOf(child, [...words, child.name()]));
  const isGroup =
    below.length > 0 && command.registeredArguments.length === 0 && !page.includes(`| \`${words.join(" ")}\` |`);
  return words.length === 0 || isGroup ? below : [[words.join(" "), command], ...below];
}

const commands = new Map(commandsOf(program, []));

suite("docs/cli.md", () => {
  for (const name of commands.keys()) {
    test(`tells of ${name}`, () => assert.match(page, new RegExp(`\`${name}( [^\`]*)?\``)));
  }

  test("names no command that does not exist", () => {
    const named = [...page.matchAll(/^\| `([a-z]+(?:-[a-z]+)*(?: [a-z]+(?:-[a-z]+)*)?)/gm)].map(
      ([, name = ""]) => name,
    );
    assert.ok(named.length > 20);
    const known = [...commands.keys()];
    for (const name of named)
      assert.ok(
        known.some((one) => one === name || one.startsWith(`${name} `)),
        name,
      );
  });

  test("names no option that does not exist", () => {
    const known = new Set(
      [program, ...commands.values()].flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short])),
    );
    known.add("--help");
    for (const [option] of page.matchAll(/(?<=[\s`])-(?:-[a-z][a-z-]+|[a-zA-Z])(?=[\s`,;])/g)) {
      assert.ok(known.has(option), option);
    }
  });

  test("names every exit code", () => {
    for (const code of Object.values(exitCode)) assert.match(page, new RegExp(`^\\| ${code} \\|`, "m"));
  });
});
