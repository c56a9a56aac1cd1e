/** `fairlead inbox`: what peers asked for and what waits for a person here. */
import type { Command } from "commander";
import type { FairleadClient } from "../client/index.ts";
import type { InboxItem } from "../gen/fairlead/console/v1/inbox_service_pb.ts";
import { outputOption, spanSeconds, withAgent } from "./command.ts";
import type { CliContext, Terminal } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { inboxDetail, inboxView } from "./inbox-view.ts";
import { addListOptions, type ListOptions, readList, refuseWithWatch } from "./list-options.ts";
import { type Format, printList, printOne } from "./output.ts";
import { plain } from "./table.ts";
import { printWatch, watchInbox } from "./watch.ts";

export function addInboxCommands(program: Command, context: CliContext): void {
  const inbox = program.command("inbox").description("what peers asked for and what waits for you");
  addList(inbox, context);
  addGet(inbox, context);
  addApprove(inbox, context);
  addDeny(inbox, context);
}

interface InboxListOptions extends ListOptions {
  readonly peer?: string;
  readonly decided?: boolean;
  readonly watch?: boolean;
  readonly output: Format;
}

function addList(inbox: Command, context: CliContext): void {
  const list = inbox.command("list").alias("ls").description("what waits for you, the oldest first");
  addListOptions(list, { labels: false })
    .option("--peer <peer>", "only of this peer")
    .option("--decided", "also what was decided and still counts")
    .option("-w, --watch", "go on with what comes and what becomes of it until Ctrl-C")
    .addOption(outputOption())
    .action((options: InboxListOptions) =>
      withAgent(list, context, async ({ client }, signal) => {
        const { peer = "", decided = false } = options;
        if (options.watch) {
          refuseWithWatch(options);
          const view = (): ReturnType<typeof inboxView> => inboxView(Date.now(), peer);
          const heard = watchInbox({ client, signal, say: context.terminal.err }, { peer, decided });
          return printWatch(context.terminal, heard, { view, format: options.output });
        }
        const items = await readList(
          options,
          (words) => client.inbox.listInbox({ peer, decided, ...words }, { signal }),
          (answer) => answer.items,
        );
        await printList(context.terminal, inboxView(Date.now(), peer), items, options.output);
      }),
    );
}

function addGet(inbox: Command, context: CliContext): void {
  const { terminal } = context;
  const get = inbox
    .command("get <name>")
    .description("one item: what is asked for, what it would change, which rules hold it, and its hash");
  get.addOption(outputOption()).action((name: string, options: { output: Format }) =>
    withAgent(get, context, async ({ client }, signal) => {
      const item = await read(client, name, signal);
      const view = inboxView(Date.now());
      if (options.output !== "table") return printOne(terminal, view, item, options.output);
      await printList(terminal, view, [item], "table");
      await terminal.out(`\n${inboxDetail(item, Date.now())}\n`);
      terminal.err(`\nTo let exactly this happen: fairlead inbox approve ${plain(name)} --hash ${item.hash}\n`);
    }),
  );
}

interface DecideOptions {
  readonly message?: string;
  readonly hash?: string;
}

function addApprove(inbox: Command, context: CliContext): void {
  const { terminal } = context;
  const approve = inbox.command("approve <name>").description("let it happen, exactly as it is shown");
  approve
    .option("-m, --message <reason>", "for the peer and for the record")
    .option("--for <span>", 'for how long, as in "8h"; by default as the policy says, or for ever', spanSeconds)
    .option("--hash <hash>", "only what was shown with this hash")
    .option("-y, --yes", "do not ask")
    .action((name: string, options: DecideOptions & { for?: number; yes?: boolean }) =>
      withAgent(approve, context, async ({ client }, signal) => {
        const item = await read(client, name, signal);
        if (options.hash === undefined) {
          terminal.err(`${inboxDetail(item, Date.now())}\n\n`);
          if (!options.yes) await confirm(terminal, name, signal);
        } else expectHash(item, options.hash);
        const request = {
          name,
          hash: item.hash,
          message: options.message ?? "",
          lastsSeconds: BigInt(options.for ?? 0),
        };
        const { item: approved } = await client.inbox.approveInboxItem(request, { signal });
        await terminal.out(`${plain(name)} approved${approved?.until ? ` until ${approved.until}` : ""}\n`);
      }),
    );
}

function addDeny(inbox: Command, context: CliContext): void {
  const { terminal } = context;
  const deny = inbox.command("deny <name>").description("refuse it; the peer sees the reason");
  deny
    .option("-m, --message <reason>", "for the peer and for the record")
    .option("--hash <hash>", "only what was shown with this hash")
    .action((name: string, options: DecideOptions) =>
      withAgent(deny, context, async ({ client }, signal) => {
        const item = await read(client, name, signal);
        if (options.hash !== undefined) expectHash(item, options.hash);
        const request = { name, hash: item.hash, message: options.message ?? "" };
        await client.inbox.denyInboxItem(request, { signal });
        await terminal.out(`${plain(name)} denied\n`);
        if (!options.message) terminal.err("note: the peer sees no reason; -m gives one\n");
      }),
    );
}

async function read(client: FairleadClient, name: string, signal: AbortSignal): Promise<InboxItem> {
  const { item } = await client.inbox.getInboxItem({ name }, { signal });
  if (item) return item;
  throw new CliError(`the agent answered without ${plain(name)}`);
}

/** A person who saw something else than what is there now must look again. */
function expectHash({ name, hash }: InboxItem, seen: string): void {
  if (!/^[0-9a-f]{64}$/.test(seen)) {
    throw new CliError("--hash takes all 64 digits, as `fairlead inbox get` shows them", { code: exitCode.usage });
  }
  if (seen === hash) return;
  throw new CliError(`${plain(name)} was changed after you saw it, so nothing was decided; it is ${hash} now`, {
    hint: `fairlead inbox get ${plain(name)}`,
  });
}

/** Only a person at a terminal is asked; a script has said what it wants. */
async function confirm(terminal: Terminal, name: string, signal: AbortSignal): Promise<void> {
  if (!terminal.interactive) return;
  const answer = await terminal.ask("Let exactly this happen? [y/N] ");
  signal.throwIfAborted();
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new CliError(`nothing was decided about ${plain(name)}`);
}
