/** Which apps a command is about, and what it does to each of them: one that fails keeps the others from nothing. */
import { type Command, Option } from "commander";
import { readAll } from "../client/pages.ts";
import type { App } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { namespaceOption, outputOption } from "./command.ts";
import type { Connection, Terminal } from "./context.ts";
import { CliError, exitCode, toCliError } from "./errors.ts";
import { type Format, printList, printOne } from "./output.ts";
import { plain } from "./table.ts";
import { appView } from "./views.ts";

export interface AppName {
  readonly namespace: string;
  readonly name: string;
}

export interface TargetOptions {
  readonly namespace?: string;
  readonly selector?: string;
  readonly all?: boolean;
}

/** Adds `-n`, `-l` and `--all` to a command that takes names. */
export function addTargetOptions(command: Command): Command {
  return command
    .addOption(namespaceOption())
    .option("-l, --selector <selector>", "all with these labels, instead of names")
    .option("--all", "all of the namespace, instead of names");
}

/** Those that the names, or the options in their place, mean. Throws a usage error when neither or both are given. */
export async function chooseApps(
  { client, namespace: ours }: Pick<Connection, "client" | "namespace">,
  names: readonly string[],
  { namespace = ours, selector, all }: TargetOptions,
  signal: AbortSignal,
): Promise<AppName[]> {
  if ([names.length > 0, selector !== undefined, all === true].filter(Boolean).length !== 1) {
    throw new CliError("say which apps: by their names, with -l by their labels, or --all of the namespace", {
      code: exitCode.usage,
    });
  }
  if (names.length > 0) return names.map((name) => ({ namespace, name: plainName(name) }));
  const apps = await readAll(
    (page) => client.apps.listApps({ namespace, labelSelector: selector ?? "", ...page }, { signal }),
    (answer) => answer.apps,
  );
  return apps.map(({ metadata }) => ({ namespace, name: metadata?.name ?? "" }));
}

/** "remoteapp.fairlead.dev/web", as `-o name` prints it, is "web". */
export function plainName(text: string): string {
  return text.replace(/^(remoteapps?(\.fairlead\.dev)?|rapp|app)\//, "");
}

/** `--dry-run`, with which nothing is changed. */
function dryRunOption(): Option {
  return new Option("--dry-run [how]", "check everything, and change nothing").choices(["server"]).preset("server");
}

/** `-o` and `--dry-run`, of commands that change something. */
export function addActOptions(command: Command): Command {
  return command.addOption(dryRunOption()).addOption(outputOption());
}

export interface ActOptions extends TargetOptions {
  readonly dryRun?: string;
  readonly output: Format;
}

/** What was done to an app, as in "restarted". */
export interface Act {
  readonly word: string;
  readonly app?: App | undefined;
  /** More about it, for standard error. */
  readonly note?: string | undefined;
}

/**
 * Does something to each app and says so, and when it counts for one whose peer is away. Of several, those that fail are
 * told with their reason, and the command fails after the last.
 */
export async function actOnEach(
  terminal: Terminal,
  targets: readonly AppName[],
  options: Pick<ActOptions, "dryRun" | "output">,
  act: (target: AppName) => Promise<Act>,
): Promise<void> {
  const { output, dryRun } = options;
  const failed: CliError[] = [];
  const done: App[] = [];
  if (targets.length === 0) terminal.err("No apps found.\n");
  for (const target of targets) {
    try {
      const { word, app, note } = await act(target);
      if (output === "json" || output === "yaml") {
        if (app) done.push(app);
      } else {
        const what = output === "name" ? "" : ` ${word}${dryRun ? " (dry run)" : ""}`;
        await terminal.out(`remoteapp.fairlead.dev/${target.name}${what}\n`);
      }
      for (const line of [note, app && !dryRun && waits(app)]) if (line) terminal.err(`${target.name}: ${line}\n`);
    } catch (error) {
      const failure = toCliError(error, false);
      if (targets.length === 1 || failure.code === exitCode.interrupted) throw error;
      terminal.err(`error: ${target.name}: ${plain(failure.message)}\n`);
      failed.push(failure);
    }
  }
  const view = appView(Date.now(), targets[0]?.namespace ?? "");
  const [only, ...more] = done;
  if (only && targets.length === 1) await printOne(terminal, view, only, output);
  else if (only) await printList(terminal, view, [only, ...more], output);
  const [first] = failed;
  if (first) throw new CliError(`${failed.length} of ${targets.length} apps failed`, { code: first.code });
}

/** When what was asked for counts only later: as in "there is no link to west, …". */
export function waits({ spec, status }: App): string | undefined {
  const connected = status?.conditions.find(({ type }) => type === "Connected");
  if (connected?.status !== "False" || connected.reason === "PeerUnknown") return undefined;
  const away = status?.peers.filter(({ unknownSince }) => unknownSince).map(({ peer = "" }) => peer) ?? [];
  const names = away.length > 0 ? away.join(", ") : (spec?.peer ?? status?.peer ?? "its peer");
  return plain(`there is no link to ${names} now; this goes there as soon as there is one`);
}
