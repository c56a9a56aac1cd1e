/** `fairlead app`: apps of this cluster that run at peers. */

import type { Command } from "commander";
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { addAppDeploy } from "./app-deploy.ts";
import { addAppLogs } from "./app-logs.ts";
import { namespaceOption, outputOption, wholeNumber, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { createWatchPrinter, type Format, printList, printOne } from "./output.ts";
import { appView } from "./views.ts";

export function addAppCommands(program: Command, context: CliContext): void {
  const { terminal } = context;
  const app = program.command("app").description("apps of this cluster that run at peers");

  addAppDeploy(app, context);

  const list = app.command("list").alias("ls").description("apps and how they are");
  list
    .addOption(namespaceOption())
    .option("-A, --all-namespaces", "of all namespaces")
    .option("-l, --selector <selector>", "only with these labels")
    .option("-w, --watch", "go on with each change until Ctrl-C")
    .addOption(outputOption())
    .action(
      (options: { namespace?: string; allNamespaces?: boolean; selector?: string; watch?: boolean; output: Format }) =>
        withAgent(list, context, async (connection, signal) => {
          const namespace = options.allNamespaces ? "" : (options.namespace ?? connection.namespace);
          const view = appView(Date.now(), options.allNamespaces === true);
          if (options.watch) return watchApps(namespace, undefined);
          const request = { namespace, labelSelector: options.selector ?? "" };
          const { apps } = await connection.client.apps.listApps(request, { signal });
          return printList(terminal, view, apps, options.output);

          async function watchApps(inNamespace: string, name: string | undefined): Promise<void> {
            const print = createWatchPrinter(terminal, view, options.output);
            for await (const one of appChanges(connection.client, inNamespace, signal)) {
              if (name === undefined || one.metadata?.name === name) await print(one);
            }
          }
        }),
    );

  const get = app.command("get <name>").description("one app");
  get
    .addOption(namespaceOption())
    .option("-w, --watch", "go on with each change until Ctrl-C")
    .addOption(outputOption())
    .action((name: string, options: { namespace?: string; watch?: boolean; output: Format }) =>
      withAgent(get, context, async (connection, signal) => {
        const namespace = options.namespace ?? connection.namespace;
        const view = appView(Date.now(), false);
        const found = (await connection.client.apps.getApp({ ref: { namespace, name } }, { signal })).app;
        if (!options.watch) return found && printOne(terminal, view, found, options.output);
        const print = createWatchPrinter(terminal, view, options.output);
        for await (const one of appChanges(connection.client, namespace, signal)) {
          if (one.metadata?.name === name) await print(one);
        }
      }),
    );

  addAppLogs(app, context);

  const scale = app.command("scale <name>").description("set the number of replicas");
  scale
    .addOption(namespaceOption())
    .requiredOption("--replicas <count>", "how many", wholeNumber(0, 10_000))
    .action((name: string, options: { namespace?: string; replicas: number }) =>
      withAgent(scale, context, async (connection, signal) => {
        const namespace = options.namespace ?? connection.namespace;
        await connection.client.apps.scaleApp({ ref: { namespace, name }, replicas: options.replicas }, { signal });
        await terminal.out(`${name} scaled to ${options.replicas}\n`);
      }),
    );

  const remove = app.command("delete <name>").description("delete an app, here and at its peer");
  remove
    .addOption(namespaceOption())
    .option("--wait", "until the peer has deleted what ran")
    .action((name: string, options: { namespace?: string; wait?: boolean }) =>
      withAgent(remove, context, async (connection, signal) => {
        const namespace = options.namespace ?? connection.namespace;
        await connection.client.apps.deleteApp({ ref: { namespace, name } }, { signal });
        if (!options.wait) return terminal.out(`${name}: deletion asked for\n`);
        await untilGone(connection.client, namespace, name, signal);
        await terminal.out(`${name} deleted\n`);
      }),
    );

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
        await terminal.out(`${(await connection.client.apps.openApp(request, { signal })).url}\n`);
      }),
    );
}

async function* appChanges(
  client: Parameters<typeof untilGone>[0],
  namespace: string,
  signal: AbortSignal,
): AsyncGenerator<App> {
  for await (const { change } of client.watch.watch({ apps: true, namespace }, { signal })) {
    if (change.case === "app") yield change.value;
  }
}

async function untilGone(
  client: Awaited<ReturnType<CliContext["connect"]>>["client"],
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  let seen = false;
  for await (const { change } of client.watch.watch({ apps: true, namespace }, { signal })) {
    if (change.case === "app" && change.value.metadata?.name === name) seen = true;
    if (change.case === "appGone" && change.value.name === name) return;
    if (change.case === "synced" && !seen) return;
  }
  throw new CliError(`the watch ended before ${name} was gone`, { code: exitCode.unavailable });
}
