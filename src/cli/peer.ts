/** `fairlead peer`: the agents that this one is paired with. */
import { Argument, type Command, Option } from "commander";
import { collectList, collectPairs, outputOption, spanSeconds, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { linkView } from "./link-view.ts";
import { readLinkedPeer, watchLinkedPeer } from "./linked-peer.ts";
import { addListOptions, type ListOptions, readList, refuseWithWatch } from "./list-options.ts";
import { type Format, printList, printOne } from "./output.ts";
import { addPeerGrant } from "./peer-grant.ts";
import { addPeerKubectl } from "./peer-kubectl.ts";
import { peerView } from "./views.ts";
import { printWatch, watchPeers } from "./watch.ts";

export function addPeerCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const peer = program.command("peer").description("agents that this one is paired with");

  const list = peer.command("list").alias("ls").description("all peers and the state of their links");
  addListOptions(list, { labels: true })
    .addOption(outputOption())
    .option("-w, --watch", "go on with each change until Ctrl-C")
    .action((options: ListOptions & { output: Format; watch?: boolean }) =>
      withAgent(list, context, async ({ client }, signal) => {
        if (!options.watch) {
          const peers = await readList(
            options,
            (words) => client.peers.listPeers(words, { signal }),
            (answer) => answer.peers,
          );
          return printList(terminal, peerView(Date.now()), peers, options.output);
        }
        refuseWithWatch(options);
        const view = (): ReturnType<typeof peerView> => peerView(Date.now());
        const heard = watchPeers({ client, signal, say: terminal.err }, options.selector ?? "");
        await printWatch(terminal, heard, { view, format: options.output });
      }),
    );

  const get = peer
    .command("get <name>")
    .description("one peer: the way to it and what goes over it, what it may do here, what it says of itself");
  get
    .addOption(outputOption())
    .option("-w, --watch", "go on each time the link changes, until Ctrl-C")
    .addOption(
      new Option("--every <span>", "with --watch: also so often, for the numbers")
        .argParser(spanSeconds)
        .default(0, "not"),
    )
    .action((name: string, options: { output: Format; watch?: boolean; every: number }) =>
      withAgent(get, context, async ({ client }, signal) => {
        if (!options.watch) {
          return printOne(terminal, linkView(Date.now()), await readLinkedPeer(client, name, signal), options.output);
        }
        const view = (): ReturnType<typeof linkView> => linkView(Date.now());
        const heard = watchLinkedPeer(client, name, Math.ceil(options.every), signal);
        await printWatch(terminal, heard, { view, format: options.output, untilGone: true });
      }),
    );

  addPeerGrant(peer, context);
  addPeerKubectl(peer, context);

  const label = peer
    .command("label <name>")
    .addArgument(new Argument("<labels...>").argParser(collectPairs))
    .description("set labels of a peer, as NAME=VALUE; NAME= removes one");
  label.action((name: string, labels: Record<string, string>) =>
    withAgent(label, context, async ({ client }, signal) => {
      await client.peers.updatePeer({ name, labels }, { signal });
      await terminal.out(`${name} labelled\n`);
    }),
  );

  const relay = peer
    .command("relay <name> <relays...>")
    .description("set the peers through which a peer is reached while it cannot be dialled, or none");
  relay.action((name: string, words: string[]) =>
    withAgent(relay, context, async ({ client }, signal) => {
      const named = words.flatMap((word) => collectList(word));
      if (named.includes("none") && named.length > 1) {
        throw new CliError("none takes all relays away, so nothing goes with it", {
          code: exitCode.usage,
          hint: `fairlead peer relay ${name} none`,
        });
      }
      const names = named.includes("none") ? [] : named;
      await client.peers.updatePeer({ name, relays: { names } }, { signal });
      const how = names.length > 0 ? `reached through ${names.join(", then ")} while it is not dialled` : "not relayed";
      await terminal.out(`${name} is ${how}\n`);
    }),
  );

  const reconnect = peer
    .command("reconnect <name>")
    .description("dial a peer now; a link that stands moves to the new connection");
  reconnect.action((name: string) =>
    withAgent(reconnect, context, async ({ client }, signal) => {
      await client.peers.reconnectPeer({ name }, { signal });
      await terminal.out(`dialling ${name}\n`);
    }),
  );

  const remove = peer.command("remove <name>").description("end the pairing, here and there");
  remove
    .option("--keep-workloads", "what the peer runs here goes on running")
    .option("--delete-workloads", "what the peer runs here is deleted")
    .action((name: string, options: { keepWorkloads?: boolean; deleteWorkloads?: boolean }) =>
      withAgent(remove, context, async ({ client }, signal) => {
        if (Boolean(options.keepWorkloads) === Boolean(options.deleteWorkloads)) {
          throw new CliError(`say what becomes of the workloads that ${name} runs here`, {
            code: exitCode.usage,
            hint: `fairlead peer remove ${name} --keep-workloads, or --delete-workloads`,
          });
        }
        const { peerTold, workloads, appsEnded, appsLeft } = await client.peers.removePeer(
          { name, deleteWorkloads: options.deleteWorkloads === true },
          { signal },
        );
        const what =
          workloads === 0
            ? "it ran nothing here"
            : `${workloads} of its workloads ${options.deleteWorkloads ? "deleted" : "kept"}`;
        const apps = [
          ...(appsEnded > 0 ? [`${appsEnded} of our apps ended there`] : []),
          ...(appsLeft > 0 ? [`${appsLeft} of our apps it may still run`] : []),
        ];
        await terminal.out(
          `${name} removed; ${[what, ...apps].join("; ")}; ${peerTold ? "it was told" : "it could not be told and will be refused when it calls"}\n`,
        );
      }),
    );
}
