/** `fairlead config`: what is set, and where it was set. */
import type { Command } from "commander";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { type Format, printList, type View } from "./output.ts";
import { addSettingOptions, readSettingOptions, type SettingOptions, withConfigErrors } from "./settings.ts";

interface Setting {
  readonly name: string;
  readonly value: string;
  readonly source: string;
  readonly description: string;
}

const view: View<Setting> = {
  name: (setting) => setting.name,
  columns: [
    { head: "SETTING", cell: (setting) => setting.name },
    { head: "VALUE", cell: (setting) => setting.value },
    { head: "FROM", cell: (setting) => setting.source },
    { head: "MEANING", cell: (setting) => setting.description, wide: true },
  ],
  json: ({ name, value, source, description }) => ({ name, value, source, description }),
  empty: "No settings.",
};

export function addConfigCommands(program: Command, context: CliContext): void {
  const config = program.command("config").description("settings of an agent");
  const show = config
    .command("show")
    .description("every setting, its value and where it came from: as an agent started here would have it")
    .option("--running", "as the running agent has it")
    .addOption(outputOption());
  addSettingOptions(show).action((options: SettingOptions & { running?: boolean; output: Format }) => {
    if (!options.running) {
      const flags = readSettingOptions(show.optsWithGlobals());
      const settings = withConfigErrors(() => context.describeConfig(flags, options.config));
      return printList(context.terminal, view, settings, options.output);
    }
    return withAgent(show, context, async ({ client }, signal) => {
      const { settings } = await client.agent.listSettings({}, { signal });
      await printList(context.terminal, view, settings, options.output);
    });
  });
}
