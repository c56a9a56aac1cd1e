/** `fairlead agent` and `fairlead demo`: the commands that are an agent, and what is below the former about one that is there. */
import type { Command } from "commander";
import { addAgentAbout } from "./agent-about.ts";
import type { CliContext } from "./context.ts";
import { CliError } from "./errors.ts";
import { addSettingOptions, readSettingOptions, type SettingOptions } from "./settings.ts";

export function addAgentCommands(program: Command, context: CliContext): void {
  const agent = program
    .command("agent")
    .description("run an agent, in a cluster or beside one; or ask one that is there");
  addSettingOptions(agent).action((options: SettingOptions, command: Command) =>
    context.runAgent(readSettingOptions({ ...command.optsWithGlobals(), ...options }), options.config),
  );
  addAgentAbout(agent, context);

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
