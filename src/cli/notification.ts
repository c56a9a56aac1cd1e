/** `fairlead notification`: what needs somebody, or did. */
import type { Command } from "commander";
import type { FairleadClient } from "../client/index.ts";
import type { Notification } from "../gen/fairlead/console/v1/notification_service_pb.ts";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { addListOptions, type ListOptions, readList, refuseWithWatch } from "./list-options.ts";
import { notificationView } from "./notification-view.ts";
import { type Format, printList, printOne } from "./output.ts";
import { plain } from "./table.ts";
import { printWatch, watchNotifications } from "./watch.ts";

export function addNotificationCommands(program: Command, context: CliContext): void {
  const notification = program
    .command("notification")
    .description("what needs somebody, or did in the last seven days");
  addList(notification, context);
  addGet(notification, context);
  addAcknowledge(notification, context);
}

interface NotificationListOptions extends ListOptions {
  readonly all?: boolean;
  readonly living?: boolean;
  readonly watch?: boolean;
  readonly output: Format;
}

function addList(notification: Command, context: CliContext): void {
  const { terminal } = context;
  const list = notification.command("list").alias("ls").description("what you have not acknowledged, the latest first");
  addListOptions(list, { labels: false })
    .option("--all", "also what you have acknowledged")
    .option("--living", "only what is so now")
    .option("-w, --watch", "go on with what comes and what becomes of it until Ctrl-C")
    .addOption(outputOption())
    .action((options: NotificationListOptions) =>
      withAgent(list, context, async ({ client }, signal) => {
        const { all = false, living = false } = options;
        const view = (): ReturnType<typeof notificationView> => notificationView(Date.now());
        if (options.watch) {
          refuseWithWatch(options);
          const { name } = await client.access.whoAmI({}, { signal });
          const heard = watchNotifications(
            { client, signal, say: terminal.err },
            { notOf: all ? undefined : name, living },
          );
          return printWatch(terminal, heard, { view, format: options.output });
        }
        const found = await readList(
          options,
          (words) => client.notifications.listNotifications({ unacknowledged: !all, living, ...words }, { signal }),
          (answer) => answer.notifications,
        );
        await printList(terminal, view(), found, options.output);
      }),
    );
}

function addGet(notification: Command, context: CliContext): void {
  const get = notification.command("get <id>").description("one: why it is so, since when, and who has seen it");
  get.addOption(outputOption()).action((id: string, options: { output: Format }) =>
    withAgent(get, context, async ({ client }, signal) => {
      await printOne(context.terminal, notificationView(Date.now()), await read(client, id, signal), options.output);
    }),
  );
}

function addAcknowledge(notification: Command, context: CliContext): void {
  const { terminal } = context;
  const acknowledge = notification
    .command("acknowledge [ids...]")
    .alias("ack")
    .description("note that you have seen them; to others they stay new");
  acknowledge.option("--all", "all that there are now").action((ids: string[], options: { all?: boolean }) =>
    withAgent(acknowledge, context, async ({ client }, signal) => {
      if (ids.length > 0 === (options.all === true)) {
        throw new CliError("say which by their ids, or --all", {
          code: exitCode.usage,
          hint: "fairlead notification list shows the ids",
        });
      }
      for (const id of ids) await read(client, id, signal);
      const request = options.all ? { until: await latest(client, signal) } : { ids };
      const isSome = options.all !== true || request.until !== "";
      const { acknowledged } = isSome
        ? await client.notifications.acknowledgeNotifications(request, { signal })
        : { acknowledged: 0 };
      await terminal.out(`${acknowledged} acknowledged\n`);
    }),
  );
}

/** When the latest that there is changed, as the agent's clock has it; empty when there is none. */
async function latest(client: FairleadClient, signal: AbortSignal): Promise<string> {
  const request = { orderBy: "last desc", pageSize: 1 };
  const { notifications } = await client.notifications.listNotifications(request, { signal });
  return notifications[0]?.lastAt ?? "";
}

async function read(client: FairleadClient, id: string, signal: AbortSignal): Promise<Notification> {
  const request = { fieldSelector: `id=${id}` };
  const { notifications } = await client.notifications.listNotifications(request, { signal });
  const [found] = notifications.filter((one) => one.id === id);
  if (found) return found;
  throw new CliError(`there is no notification ${plain(JSON.stringify(id))}`, {
    code: exitCode.notFound,
    hint: "fairlead notification list --all shows those that are kept",
  });
}
