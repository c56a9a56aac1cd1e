/** `fairlead join`: use an invite from another agent. */
import type { Command } from "commander";
import { JoinResponse_State } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import { collectList, collectPairs, spanSeconds, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { checkGrantFor, grantForMeaning } from "./peer-grant.ts";
import { warnOfPolicy } from "./policy-warning.ts";

interface JoinOptions {
  readonly name?: string;
  readonly grant?: string[];
  readonly grantFor?: number;
  readonly label?: Record<string, string>;
  readonly reuseName?: boolean;
}

export function addJoinCommand(program: Command, context: CliContext): void {
  const { terminal } = context;
  const join = program
    .command("join <invite>")
    .description("pair with the agent that made the invite; - reads the line from standard input")
    .option("--name <name>", "what the peer will be called here; by default what the invite suggests")
    .option(
      "--grant <grants>",
      "what it may do here: apps, tunnels, kubectl, deliveries, relay; by default nothing",
      collectList,
    )
    .option("--grant-for <span>", grantForMeaning, spanSeconds)
    .option("--label <labels>", "labels that it gets here, as NAME=VALUE", collectPairs)
    .option("--reuse-name", "use the name of a removed peer again");
  join.action((line: string, options: JoinOptions) =>
    withAgent(join, context, async ({ client }, signal) => {
      checkGrantFor(options);
      const invite = line === "-" ? await terminal.readInput() : line;
      const request = {
        invite: invite.trim(),
        name: options.name ?? "",
        grants: options.grant ?? [],
        labels: options.label ?? {},
        reuseName: options.reuseName === true,
        grantsLastSeconds: BigInt(options.grantFor ?? 0),
      };
      for await (const { state, words, peer } of client.peers.join(request, { signal })) {
        if (state === JoinResponse_State.PROVED)
          terminal.err(`The other end is the one of the invite. Words: ${words}\n`);
        if (state === JoinResponse_State.WAITING)
          terminal.err("Somebody there is asked to let you in; compare the words.\n");
        if (state === JoinResponse_State.JOINED) {
          await terminal.out(
            `Paired with ${peer?.metadata?.name ?? "the peer"}. Words, the same on both screens: ${words}\n`,
          );
          const advice = { kubectl: join.optsWithGlobals(), say: terminal.err };
          if (options.grant?.includes("apps")) await warnOfPolicy(client, peer?.metadata?.name ?? "", advice, signal);
        }
      }
    }),
  );
}
