/** `fairlead app`: apps of this cluster that run at peers. */
import type { Command } from "commander";
import { addAppActs } from "./app-acts.ts";
import { addAppCheck } from "./app-check.ts";
import { addAppCopy } from "./app-cp.ts";
import { addAppDelete } from "./app-delete.ts";
import { addAppDeploy } from "./app-deploy.ts";
import { addAppDescribe } from "./app-describe.ts";
import { addAppEdit } from "./app-edit.ts";
import { addAppEvents } from "./app-events.ts";
import { addAppExec } from "./app-exec.ts";
import { addAppHistory } from "./app-history.ts";
import { addAppLogs } from "./app-logs.ts";
import { addAppPortForward } from "./app-port-forward.ts";
import { addAppRollout } from "./app-rollout.ts";
import { addAppStory } from "./app-story.ts";
import { namespaceOption, outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { addListOptions, type ListOptions, readList, refuseWithWatch } from "./list-options.ts";
import { type Format, printList, printOne } from "./output.ts";
import { appView } from "./views.ts";
import { printWatch, watchApps } from "./watch.ts";

export function addAppCommands(program: Command, context: CliContext): void {
  const app = program.command("app").description("apps of this cluster that run at peers");
  addAppDeploy(app, context);
  addAppCheck(app, context);
  addList(app, context);
  addGet(app, context);
  addAppLogs(app, context);
  addAppExec(app, context);
  addAppCopy(app, context);
  addAppPortForward(app, context);
  addAppActs(app, context);
  addAppHistory(app, context);
  addAppEdit(app, context);
  addAppRollout(app, context);
  addAppDescribe(app, context);
  addAppEvents(app, context);
  addAppStory(app, context);
  addAppDelete(app, context);
  addOpen(app, context);
}

interface AppListOptions extends ListOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly watch?: boolean;
  readonly output: Format;
}

function addList(app: Command, context: CliContext): void {
  const { terminal } = context;
  const list = app.command("list").alias("ls").description("apps and how they are");
  addListOptions(list, { labels: true })
    .addOption(namespaceOption())
    .option("-A, --all-namespaces", "of all namespaces")
    .option("-w, --watch", "go on with each change until Ctrl-C")
    .addOption(outputOption())
    .action((options: AppListOptions) =>
      withAgent(list, context, async (connection, signal) => {
        const namespace = options.allNamespaces ? "" : (options.namespace ?? connection.namespace);
        if (options.watch) {
          refuseWithWatch(options);
          const watcher = { client: connection.client, signal, say: terminal.err };
          const heard = watchApps(watcher, { namespace, labelSelector: options.selector ?? "" });
          const view = (): ReturnType<typeof appView> => appView(Date.now(), namespace);
          return printWatch(terminal, heard, { view, format: options.output });
        }
        const apps = await readList(
          options,
          (words) => connection.client.apps.listApps({ namespace, ...words }, { signal }),
          (answer) => answer.apps,
        );
        await printList(terminal, appView(Date.now(), namespace), apps, options.output);
      }),
    );
}

function addGet(app: Command, context: CliContext): void {
  const { terminal } = context;
  const get = app.command("get <name>").description("one app: how it is and why, its pods and conditions");
  get
    .addOption(namespaceOption())
    .option("-w, --watch", "go on with each change until it is gone, or Ctrl-C")
    .addOption(outputOption())
    .action((name: string, options: { namespace?: string; watch?: boolean; output: Format }) =>
      withAgent(get, context, async (connection, signal) => {
        const namespace = options.namespace ?? connection.namespace;
        const { app: found } = await connection.client.apps.getApp({ ref: { namespace, name } }, { signal });
        const view = (): ReturnType<typeof appView> => appView(Date.now(), namespace);
        if (options.watch) {
          const heard = watchApps({ client: connection.client, signal, say: terminal.err }, { namespace, name });
          return printWatch(terminal, heard, { view, format: options.output, untilGone: true });
        }
        if (found) await printOne(terminal, view(), found, options.output);
      }),
    );
}

function addOpen(app: Command, context: CliContext): void {
  const open = app
    .command("open <name>")
    .description("print an address that opens the app's page in a browser, once, within 60 s");
  open
    .addOption(namespaceOption())
    .option("--port <port>", "the port's name or number; by default the first that speaks HTTP")
    .option("--path <path>", "the page", "/")
    .action((name: string, options: { namespace?: string; port?: string; path: string }) =>
      withAgent(open, context, async (connection, signal) => {
        const ref = { namespace: options.namespace ?? connection.namespace, name };
        const request = { ref, port: options.port ?? "", path: options.path };
        await context.terminal.out(`${(await connection.client.apps.openApp(request, { signal })).url}\n`);
      }),
    );
}
