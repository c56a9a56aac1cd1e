/** `fairlead forward list`: the Forwards of this cluster. */
import { type Command, Option } from "commander";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { forwardView } from "./forward-view.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
import { type Format, printList } from "./output.ts";
import { namedPeer } from "./peer-name.ts";

interface ForwardListOptions extends ListOptions {
  readonly namespace?: string;
  readonly output: Format;
}

export function addForwardList(forward: Command, context: CliContext): void {
  const list = forward
    .command("list [peer]")
    .alias("ls")
    .description(
      "the Forwards of this cluster, those of one peer or of all: what they make a Service of, how they are, and what goes by them",
    )
    .addOption(new Option("-n, --namespace <name>", "only of this namespace; by default of all"))
    .addOption(outputOption());
  addListOptions(list, { labels: true }).action((named: string | undefined, options: ForwardListOptions) => {
    const { namespace = "", output } = options;
    const peer = namedPeer(named ?? "");
    // Whose peer is called "list" may well mean to forward something of it.
    if (!/^[-a-z0-9]*$/.test(peer)) {
      throw new CliError(`${JSON.stringify(named)} is no peer's name`, {
        code: exitCode.usage,
        hint: `fairlead forward list lists Forwards; a peer of that name is peer/list: fairlead forward peer/list ${named}`,
      });
    }
    return withAgent(list, context, async ({ client }, signal) => {
      const forwards = await readList(
        options,
        (words) => client.tunnels.listForwards({ peer, namespace, ...words }, { signal }),
        (answer) => answer.forwards,
      );
      const where = [peer && `of ${peer}`, namespace && `in ${namespace}`].filter(Boolean).join(" ");
      await printList(context.terminal, forwardView(Date.now(), where), forwards, output);
    });
  });
}
