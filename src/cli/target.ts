/** `fairlead target`: what peers let this agent reach. */
import type { Command } from "commander";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { type Format, printList } from "./output.ts";
import { plain } from "./table.ts";
import { targetView } from "./target-view.ts";

export function addTargetCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const target = program.command("target").description("what is at peers and can be reached from here");

  const list = target
    .command("list [peer]")
    .alias("ls")
    .description("what a peer lets this agent reach, or what each does, as the peers say now; for `fairlead forward`");
  list.addOption(outputOption()).action((peer: string | undefined, { output }: { output: Format }) =>
    withAgent(list, context, async ({ client }, signal) => {
      const { targets, problems } = await client.tunnels.listTargets({ peer: peer ?? "" }, { signal });
      for (const { peer: name, message } of problems) terminal.err(`warning: ${plain(`${name}: ${message}`)}\n`);
      await printList(terminal, targetView(Date.now(), peer), targets, output);
    }),
  );
}
