/** `fairlead agent` and `fairlead demo`: the commands that do not call an agent but are one. */
import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import { CliError } from "./errors.ts";
import { addSettingOptions, readSettingOptions, type SettingOptions } from "./settings.ts";

export function addAgentCommands(program: Command, context: CliContext): void {
  addSettingOptions(program.command("agent").description("run an agent, in a cluster or beside one")).action(
    (options: SettingOptions, command: Command) =>
      context.runAgent(readSettingOptions({ ...command.optsWithGlobals(), ...options }), options.config),
  );

  program
    .command("demo")
    .description(
      "two paired agents on embedded clusters, an app running across, in under a minute; needs nothing but Node",
    )
    .option("--once", "check each claim and exit; also what happens without a terminal")
    .action(async (options: { once?: boolean }) => {
      const code = await context.runDemo({ once: options.once === true || !context.terminal.interactive });
      if (code !== 0) throw new CliError("the demo did not do what it claims; see above");
    });
}
