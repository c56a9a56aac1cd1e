/** `fairlead orphan`: what runs, here or at a peer, and its origin no longer knows. Nothing deletes it by itself. */
import type { Command } from "commander";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { addListOptions, type ListOptions, type ListWords, readList } from "./list-options.ts";
import { type Format, printList } from "./output.ts";
import { orphanAtPeerView, orphanView } from "./views.ts";

export function addOrphanCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const orphan = program.command("orphan").description("what runs, here or at a peer, and its origin no longer knows");

  const list = orphan
    .command("list")
    .alias("ls")
    .description("workloads of peers that run here, or ours that run at peers");
  addListOptions(list, { labels: false })
    .addOption(outputOption())
    .option("--at-peers", "what connected peers run for this cluster, instead of what they run here")
    .action((options: ListOptions & { output: Format; atPeers?: boolean }) =>
      withAgent(list, context, async ({ client: { apps } }, signal) => {
        const here = (words: ListWords) => apps.listOrphans(words, { signal });
        const atPeers = (words: ListWords) => apps.listOrphansAtPeers(words, { signal });
        if (options.atPeers) {
          const found = await readList(options, atPeers, ({ orphansAtPeers }) => orphansAtPeers);
          return printList(terminal, orphanAtPeerView(Date.now()), found, options.output);
        }
        const found = await readList(options, here, ({ orphans }) => orphans);
        await printList(terminal, orphanView(Date.now()), found, options.output);
      }),
    );

  const adopt = orphan.command("adopt <uid>").description("make a RemoteApp here that takes over one at a peer");
  adopt.requiredOption("--at <peer>", "the peer that runs it").action((uid: string, options: { at: string }) =>
    withAgent(adopt, context, async ({ client }, signal) => {
      const { app } = await client.apps.adoptOrphan({ peer: options.at, uid }, { signal });
      await terminal.out(`remoteapp.fairlead.dev/${app?.metadata?.name ?? ""} took over ${uid} at ${options.at}\n`);
    }),
  );

  const remove = orphan
    .command("delete <workload>")
    .description("delete one, and what it runs: NAMESPACE/WORKLOAD here, or a UID with --at")
    .option("--at <peer>", "the peer that runs it");
  remove.action((path: string, options: { at?: string }) =>
    withAgent(remove, context, async ({ client }, signal) => {
      if (options.at !== undefined) {
        await client.apps.deleteOrphanAtPeer({ peer: options.at, uid: path }, { signal });
        await terminal.out(`${path} deleted at ${options.at}\n`);
        return;
      }
      const [namespace, name, ...rest] = path.split("/");
      if (!namespace || !name || rest.length > 0) {
        throw new CliError(`${JSON.stringify(path)} does not name a workload`, {
          code: exitCode.usage,
          hint: "NAMESPACE/WORKLOAD, as `fairlead orphan list` shows them",
        });
      }
      await client.apps.deleteOrphan({ workload: { namespace, name } }, { signal });
      await terminal.out(`${path} deleted\n`);
    }),
  );
}
