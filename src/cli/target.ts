/** `fairlead target`: what peers let this agent reach. */
import { type Command, Option } from "commander";
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
    withAgent(list, context, async ({ client, address }, signal) => {
      const { targets, problems } = await client.tunnels.listTargets({ peer: peer ?? "" }, { signal });
      for (const { peer: name, message } of problems) terminal.err(`warning: ${plain(`${name}: ${message}`)}\n`);
      await printList(terminal, targetView(Date.now(), peer, address), targets, output);
    }),
  );

  const open = target
    .command("open <peer> <target>")
    .description("print an address that opens a Service or an address at a peer in a browser, once, within 60 s");
  open
    .option("--path <path>", "the page", "/")
    .addOption(
      new Option("--protocol <protocol>", "what is spoken there, where the peer does not say").choices([
        "http",
        "https",
        "h2c",
      ]),
    )
    .action((peer: string, text: string, { path, protocol = "" }: { path: string; protocol?: string }) =>
      withAgent(open, context, async ({ client }, signal) => {
        const asked = { peer, target: text.replace(/^svc\//, "service/"), path, appProtocol: protocol };
        await terminal.out(`${(await client.tunnels.openTarget(asked, { signal })).url}\n`);
      }),
    );
}
