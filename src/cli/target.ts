/** `fairlead target`: what peers let this agent reach. */
import { type Command, Option } from "commander";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
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
  addListOptions(list, { labels: false })
    .addOption(outputOption())
    .action((peer: string | undefined, { output, ...options }: ListOptions & { output: Format }) =>
      withAgent(list, context, async ({ client, address }, signal) => {
        const told = new Set<string>();
        const targets = await readList(
          options,
          (words) => client.tunnels.listTargets({ peer: peer ?? "", ...words }, { signal }),
          (answer) => {
            for (const { peer: name, message } of answer.problems) told.add(plain(`${name}: ${message}`));
            return answer.targets;
          },
        );
        for (const problem of told) terminal.err(`warning: ${problem}\n`);
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
