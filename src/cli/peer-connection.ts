/** `fairlead connection`: what is open with peers at this moment. */
import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  type Connection,
  ConnectionSchema,
  Connection_Side as Side,
} from "../gen/fairlead/console/v1/tunnel_service_pb.ts";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
import { type Format, printList, type View } from "./output.ts";
import { namedPeer } from "./peer-name.ts";
import { formatBytes, plain, sinceOf } from "./table.ts";

export function addConnectionCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const connection = program
    .command("connection")
    .description("what is open with peers at this moment, from here and from there");

  const list = connection
    .command("list [peer]")
    .alias("ls")
    .description(
      "the connections with one peer or with all: where they lead, who has opened them, and what has passed",
    );
  addListOptions(list, { labels: false })
    .addOption(outputOption())
    .action((named: string | undefined, options: ListOptions & { output: Format }) =>
      withAgent(list, context, async ({ client }, signal) => {
        const peer = namedPeer(named ?? "");
        const connections = await readList(
          options,
          (words) => client.tunnels.listConnections({ peer, ...words }, { signal }),
          (answer) => answer.connections,
        );
        await printList(terminal, connectionView(Date.now(), peer), connections, options.output);
      }),
    );

  const end = connection
    .command("end <peer> <ids...>")
    .description("reset connections with a peer at both ends; who had them may open others");
  end.action((named: string, ids: string[]) =>
    withAgent(end, context, async ({ client }, signal) => {
      const peer = namedPeer(named);
      // As `-o name` prints them.
      for (const id of ids.map((word) => word.replace(/^connection\//, ""))) {
        await client.tunnels.endConnection({ peer, id }, { signal });
        await terminal.out(`connection/${plain(id)} ended\n`);
      }
    }),
  );
}

/** `now` is in milliseconds since 1970; `peer` is whose were asked for, empty for all. */
function connectionView(now: number, peer: string): View<Connection> {
  return {
    name: ({ id }) => `connection/${id}`,
    columns: [
      { head: "ID", cell: ({ id }) => id },
      { head: "PEER", cell: (one) => one.peer },
      { head: "SIDE", cell: ({ side }) => (side === Side.PEER ? "Peer" : "Here") },
      { head: "TARGET", cell: ({ target }) => target },
      { head: "PROTOCOL", cell: ({ protocol }) => protocol, wide: true },
      { head: "BY", cell: ({ openedBy }) => openedBy },
      { head: "AGE", cell: ({ openedAt }) => sinceOf(openedAt, now) },
      { head: "OUT", cell: ({ bytesOut }) => formatBytes(Number(bytesOut)) },
      { head: "IN", cell: ({ bytesIn }) => formatBytes(Number(bytesIn)) },
      { head: "CORRELATION", cell: ({ correlation }) => correlation, wide: true },
    ],
    json: (one) => toJson(ConnectionSchema, one, { alwaysEmitImplicit: true }),
    empty: `Nothing is open ${peer === "" ? "with any peer" : `with ${peer}`} now.`,
  };
}
