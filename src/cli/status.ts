/** `fairlead status` and `fairlead version`: is all well, and what runs. */
import type { Command } from "commander";
import type { FairleadClient } from "../client/index.ts";
import { readAll } from "../client/pages.ts";
import { Role } from "../gen/fairlead/console/v1/access_pb.ts";
import { placeOf } from "./agent-view.ts";
import { withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { inboxView } from "./inbox-view.ts";
import { printList } from "./output.ts";
import { watchStatus } from "./status-watch.ts";
import { plain, sinceOf } from "./table.ts";
import { appView, inviteView, orphanAtPeerView, orphanView, peerView } from "./views.ts";

export function addStatusCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const status = program.command("status").description("this agent, its peers, and what needs you");
  status
    .option("-w, --watch", "show it again when something of it has changed, until Ctrl-C")
    .action(({ watch = false }: { watch?: boolean }) =>
      withAgent(status, context, async ({ client }, signal) => {
        if (!watch) return show(client, signal);
        for await (const _ of watchStatus({ client, signal, say: terminal.err })) await show(client, signal);
      }),
    );

  async function show(client: FairleadClient, signal: AbortSignal): Promise<void> {
    const { apps: calls } = client;
    // Whom it does not concern does not ask: to be refused stands in the audit.
    const { roles } = await client.access.whoAmI({}, { signal });
    const isAdmin = roles.some(({ role, allPeers }) => role === Role.ADMIN && allPeers);
    const [info, { totalSize: news }, peers, apps, invites, orphans, atPeers, items] = await Promise.all([
      client.agent.getInfo({}, { signal }),
      client.notifications.listNotifications({ unacknowledged: true, pageSize: 1 }, { signal }),
      readAll(
        (page) => client.peers.listPeers(page, { signal }),
        (answer) => answer.peers,
      ),
      readAll(
        (page) => calls.listApps(page, { signal }),
        (answer) => answer.apps,
      ),
      isAdmin
        ? readAll(
            (page) => client.peers.listInvites(page, { signal }),
            (answer) => answer.invites,
          )
        : [],
      readAll(
        (page) => calls.listOrphans(page, { signal }),
        (answer) => answer.orphans,
      ),
      readAll(
        (page) => calls.listOrphansAtPeers(page, { signal }),
        (answer) => answer.orphansAtPeers,
      ),
      readAll(
        (page) => client.inbox.listInbox(page, { signal }),
        (answer) => answer.items,
      ),
    ]);
    const now = Date.now();
    await terminal.out(
      `${info.name}   fairlead ${info.version}   ${placeOf(info)}   up for ${sinceOf(info.startedAt, now)}\n` +
        `fingerprint ${info.fingerprint}\n` +
        `${info.url ? `peers dial ${info.url}` : "no URL of its own: it only dials out"}\n` +
        `${info.peersConnected} of ${info.peers} peers connected` +
        (info.kubernetesVersion === ""
          ? "\n"
          : `   ${info.appsReady} of ${info.apps} apps ready   ${info.workloads} workloads of peers here\n`),
    );
    if (news > 0) {
      await terminal.out(
        `${news} ${news === 1 ? "notification is" : "notifications are"} new to you (fairlead notification list)\n`,
      );
    }
    const away = peers.filter((peer) => peer.status?.link?.state !== "Connected");
    const unwell = apps.filter((app) => app.status?.phase !== "Ready" || app.status.unknownSince);
    const waiting = invites.filter((invite) => invite.pending);
    if (away.length + unwell.length + waiting.length + orphans.length + atPeers.length + items.length === 0)
      return terminal.out("Nothing needs you.\n");
    if (waiting.length > 0) {
      await terminal.out("\nJoins that wait for you (fairlead invite accept ID, or deny):\n");
      await printList(terminal, inviteView(now), waiting, "table");
    }
    if (items.length > 0) {
      await terminal.out("\nWhat peers ask for and waits for you (fairlead inbox get NAME, then approve or deny):\n");
      await printList(terminal, inboxView(now), items, "table");
    }
    if (away.length > 0) {
      await terminal.out("\nPeers that are away (fairlead doctor NAME looks why):\n");
      await printList(terminal, peerView(now), away, "table");
      await tellWhy(away.map(({ metadata, status }) => [metadata?.name, status?.link?.message]));
    }
    if (unwell.length > 0) {
      await terminal.out("\nApps that are not Ready:\n");
      await printList(terminal, appView(now, ""), unwell, "table");
      await tellWhy(unwell.map(({ metadata, status }) => [metadata?.name, status?.message]));
    }
    if (orphans.length > 0) {
      await terminal.out(
        "\nWorkloads here that their origin no longer knows (fairlead orphan delete NAMESPACE/WORKLOAD):\n",
      );
      await printList(terminal, orphanView(now), orphans, "table");
    }
    if (atPeers.length > 0) {
      await terminal.out(
        "\nApps that peers run for this cluster and no RemoteApp stands for (fairlead orphan adopt UID --at PEER):\n",
      );
      await printList(terminal, orphanAtPeerView(now), atPeers, "table");
    }
  }

  async function tellWhy(reasons: readonly (readonly (string | undefined)[])[]): Promise<void> {
    for (const [name = "", message] of reasons) if (message) await terminal.out(`  ${name}: ${plain(message)}\n`);
  }

  const version = program.command("version").description("the version of this program and of the agent");
  version.option("--client", "only of this program").action(async (options: { client?: boolean }) => {
    await terminal.out(`client ${context.version}\n`);
    if (options.client) return;
    try {
      await withAgent(version, context, async ({ client }, signal) => {
        const info = await client.agent.getInfo({}, { signal });
        await terminal.out(`agent  ${info.version} (${info.name}, ${placeOf(info)})\n`);
      });
    } catch (error) {
      if (error instanceof CliError && error.code === exitCode.unavailable) {
        terminal.err(`agent  not found: ${error.message}\n`);
        return;
      }
      throw error;
    }
  });
}
