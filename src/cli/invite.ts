/** `fairlead invite`: one line that another agent can use once to pair with this one. */
import type { Command } from "commander";
import { formatDuration } from "../base/duration.ts";
import { collectList, collectPairs, outputOption, spanSeconds, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
import { type Format, printList } from "./output.ts";
import { checkGrantFor, grantForMeaning } from "./peer-grant.ts";
import { warnOfComingPeer } from "./policy-warning.ts";
import { formatAge } from "./table.ts";
import { inviteView } from "./views.ts";

interface InviteOptions {
  readonly name?: string;
  readonly grant?: string[];
  readonly label?: Record<string, string>;
  readonly for?: number;
  readonly grantFor?: number;
  readonly confirm?: boolean;
  readonly url?: string;
  readonly relay?: string[];
  readonly reuseName?: boolean;
}

export function addInviteCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const invite = program
    .command("invite")
    .description("make an invite: one line for `fairlead join` on the other cluster")
    .option("--name <name>", "what the peer will be called here; by default what it calls itself")
    .option(
      "--grant <grants>",
      "what it may do here: apps, tunnels, kubectl, deliveries, relay; by default nothing",
      collectList,
    )
    .option("--grant-for <span>", grantForMeaning, spanSeconds)
    .option("--label <labels>", "labels that it gets here, as NAME=VALUE", collectPairs)
    .option(
      "--for <span>",
      'for how long the invite can be used, as in "30m"; by default 24h, at most 30d',
      spanSeconds,
    )
    .option("--confirm", "ask here before the join passes")
    .option("--url <url>", "the URL that the other will dial; by default this agent's own")
    .option(
      "--relay <peers>",
      "peers here through which the other comes when it cannot dial this agent; it must be paired with one of them",
      collectList,
    )
    .option("--reuse-name", "use the name of a removed peer again");
  invite.action((options: InviteOptions) =>
    withAgent(invite, context, async ({ client }, signal) => {
      checkGrantFor(options);
      const made = await client.peers.createInvite(
        {
          name: options.name ?? "",
          grants: options.grant ?? [],
          labels: options.label ?? {},
          lifetimeSeconds: BigInt(options.for ?? 0),
          confirm: options.confirm === true,
          url: options.url ?? "",
          relays: options.relay ?? [],
          reuseName: options.reuseName === true,
          grantsLastSeconds: BigInt(options.grantFor ?? 0),
        },
        { signal },
      );
      // The line alone goes to standard output, so that it can be piped; what it means goes to standard error.
      await terminal.out(`${made.line}\n`);
      const granted = made.invite?.grants ?? [];
      const lifetime = formatAge(Date.parse(made.invite?.expiresAt ?? "") - Date.now());
      terminal.err(`Whoever has this line can pair with this agent, once, within ${lifetime}.\n`);
      terminal.err(
        granted.length > 0
          ? `It grants: ${granted.join(", ")}${options.grantFor ? `, for ${formatDuration(options.grantFor * 1000)} from the join` : ""}.\n`
          : "It grants nothing: the peer can run nothing here until you say `fairlead peer grant NAME apps --add`.\n",
      );
      terminal.err("On the other cluster: fairlead join LINE\n");
      if (options.relay?.length) {
        const named = options.relay.join(" or ");
        terminal.err(
          `It comes through ${named}, which must be its peer too, and let both be carried: relay.allow: true in a PeerPolicy there.\n`,
        );
      }
      if (options.confirm) {
        terminal.err(`The join will wait for you here: fairlead invite accept ${made.invite?.id ?? "ID"}, or deny.\n`);
      }
      if (!granted.includes("apps")) return;
      const coming = { name: options.name ?? "", labels: options.label ?? {} };
      await warnOfComingPeer(client, coming, { kubectl: invite.optsWithGlobals(), say: terminal.err }, signal);
    }),
  );

  const list = invite
    .command("list")
    .alias("ls")
    .description("invites that can still be used, and joins that wait for you");
  addListOptions(list, { labels: true })
    .addOption(outputOption())
    .action((options: ListOptions & { output: Format }) =>
      withAgent(list, context, async ({ client }, signal) => {
        const invites = await readList(
          options,
          (words) => client.peers.listInvites(words, { signal }),
          (answer) => answer.invites,
        );
        await printList(terminal, inviteView(Date.now()), invites, options.output);
      }),
    );

  const revoke = invite.command("revoke <id>").description("withdraw an invite");
  revoke.action((id: string) =>
    withAgent(revoke, context, async ({ client }, signal) => {
      await client.peers.revokeInvite({ id }, { signal });
      await terminal.out(`invite ${id} withdrawn\n`);
    }),
  );

  for (const accept of [true, false]) {
    const verb = accept ? "accept" : "deny";
    const decide = invite
      .command(`${verb} <id>`)
      .description(`${accept ? "let a join pass" : "refuse a join"} that waits for you`);
    decide.action((id: string) =>
      withAgent(decide, context, async ({ client }, signal) => {
        await client.peers.decideJoin({ id, accept }, { signal });
        await terminal.out(`join ${accept ? "accepted" : "denied"}\n`);
      }),
    );
  }
}
