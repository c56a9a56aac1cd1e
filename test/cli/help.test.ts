/** What `fairlead` says of itself, to somebody who types it for the first time. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildProgram, runCli } from "../../src/cli/program.ts";
import { testContext } from "./world.ts";

async function said(...args: string[]): Promise<string> {
  let text = "";
  const { terminal, ...context } = testContext();
  const heard = {
    ...terminal,
    out: async (piece: string) => {
      text += piece;
    },
  };
  assert.equal(await runCli(args, { ...context, terminal: heard }), 0);
  return text;
}

describe("the help", () => {
  test("shows every command under a heading, in lines that fit a terminal", async () => {
    const text = await said("help");
    const [, ...parts] = text.split(/^\S.*:\n/m);
    for (const command of buildProgram(testContext()).commands) {
      if (command.name().startsWith("__")) continue;
      assert.ok(
        parts.some((part) => new RegExp(`^  ${command.name()} `, "m").test(part)),
        command.name(),
      );
    }
    assert.doesNotMatch(text, /^Commands:/m);
    assert.deepEqual(
      text.split("\n").filter((line) => line.length > 80),
      [],
    );
  });

  test("of a command says where the options are that go with each, and wraps what is long", async () => {
    assert.match(await said("app", "list", "--help"), /--server, --token, --context .* `fairlead --help`/);
    assert.deepEqual(
      (await said("help", "config", "show")).split("\n").filter((line) => line.length > 100),
      [],
    );
  });

  test("of forward shows what a target is", async () => {
    assert.match(await said("forward", "--help"), /service\/NAMESPACE\/NAME:PORT/);
  });
});
