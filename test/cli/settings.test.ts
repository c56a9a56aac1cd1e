import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Command } from "commander";
import { runCli } from "../../src/cli/program.ts";
import { addSettingOptions, readSettingOptions } from "../../src/cli/settings.ts";
import { listSettings } from "../../src/config.ts";
import { testContext } from "./world.ts";

/** Flags that every command has, and the settings that they mean to an agent. */
const shared = new Map([
  ["kube.kubeconfig", "--kubeconfig"],
  ["kube.context", "--context"],
  ["kube.namespace", "--agent-namespace"],
]);

suite("settings as flags", () => {
  for (const name of listSettings().keys()) {
    const flag =
      shared.get(name) ?? `--${name.replaceAll(".", "-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    test(`${flag} sets ${name}`, async () => {
      let given: Readonly<Record<string, string>> = {};
      const context = testContext({
        runAgent: async (flags) => {
          given = flags;
        },
      });
      assert.equal(await runCli(["agent", flag, "value"], context), 0);
      assert.deepEqual(given, { [name]: "value" });
    });
  }

  test("shared flags count before the command too", async () => {
    let given: Readonly<Record<string, string>> = {};
    const context = testContext({
      runAgent: async (flags) => {
        given = flags;
      },
    });
    await runCli(["--context", "east", "agent", "--name", "here"], context);
    assert.deepEqual(given, { name: "here", "kube.context": "east" });
  });

  test("what was not given is not a setting", () => {
    const command = addSettingOptions(new Command());
    command.parse([], { from: "user" });
    assert.deepEqual(readSettingOptions(command.opts()), {});
  });

  test("--config names the file", async () => {
    let file: string | undefined;
    const context = testContext({
      runAgent: async (_flags, configFile) => {
        file = configFile;
      },
    });
    await runCli(["agent", "--config", "fairlead.yaml"], context);
    assert.equal(file, "fairlead.yaml");
  });
});
