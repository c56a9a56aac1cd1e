/** `fairlead app history` and `rollback`: the specs that an app has had, and back to one of them. */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { stringify } from "yaml";
import type { AppRevision } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { RemoteAppSpecSchema } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { type ActOptions, actOnEach, addActOptions, addTargetOptions, chooseApps, plainName } from "./app-targets.ts";
import { namespaceOption, outputOption, wholeNumber, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { markedLines } from "./line-diff.ts";
import { type Format, printList, printOne, type View } from "./output.ts";
import { sinceOf, visible } from "./table.ts";

/** A number of a revision; more have never been. */
const revisionNumber = wholeNumber(1, 2 ** 31);

interface HistoryOptions {
  readonly namespace?: string;
  readonly revision?: number;
  readonly diff?: boolean;
  readonly output: Format;
}

export function addAppHistory(app: Command, context: CliContext): void {
  const { terminal } = context;
  const history = app
    .command("history <name>")
    .description("the specs that an app has had, the latest last; with --revision what one says");
  history
    .addOption(namespaceOption())
    .option("--revision <number>", "what this one says", revisionNumber)
    .option("--diff", "with --revision: what a rollback to it would change")
    .addOption(outputOption())
    .action((given: string, options: HistoryOptions) =>
      withAgent(history, context, async ({ client, namespace: ours }, signal) => {
        if (options.diff && options.revision === undefined) {
          throw new CliError("--diff goes with --revision", { code: exitCode.usage, hint: "--revision 2 --diff" });
        }
        const name = plainName(given);
        const ref = { namespace: options.namespace ?? ours, name };
        const { revisions } = await client.apps.listAppRevisions({ ref }, { signal });
        const view = revisionView(name, Date.now());
        if (options.revision === undefined) {
          return printList(terminal, view, revisions.toReversed(), options.output);
        }
        const chosen = find(name, revisions, options.revision);
        if (options.output !== "table") return printOne(terminal, view, chosen, options.output);
        const present = options.diff ? revisions.find((one) => one.present) : undefined;
        await terminal.out(present ? changes(present, chosen) : `${lines(chosen).join("\n")}\n`);
      }),
    );
  addRollback(app, context);
}

function addRollback(app: Command, context: CliContext): void {
  const rollback = app
    .command("rollback [names...]")
    .description("run what ran before; where it runs and how many stays as it is");
  addActOptions(addTargetOptions(rollback))
    .option(
      "--to-revision <number>",
      "to this one of `fairlead app history`; by default to the one before",
      revisionNumber,
    )
    .action((names: string[], options: ActOptions & { toRevision?: number }) =>
      withAgent(rollback, context, async (connection, signal) => {
        const targets = await chooseApps(connection, names, options, signal);
        await actOnEach(context.terminal, targets, options, async (ref) => {
          const request = { ref, toRevision: BigInt(options.toRevision ?? 0), dryRun: options.dryRun !== undefined };
          const { app, revision, changed } = await connection.client.apps.rollBackApp(request, { signal });
          return { word: changed ? `rolled back to revision ${revision}` : `is revision ${revision} already`, app };
        });
      }),
    );
}

function find(name: string, revisions: readonly AppRevision[], wanted: number): AppRevision {
  const found = revisions.find(({ number }) => number === BigInt(wanted));
  if (found) return found;
  throw new CliError(`${name} has no revision ${wanted}`, {
    code: exitCode.notFound,
    hint: `fairlead app history ${name}`,
  });
}

/** Specs of an app's history. `now` is in milliseconds since 1970. */
function revisionView(app: string, now: number): View<AppRevision> {
  return {
    name: ({ number }) => `${app}/${number}`,
    columns: [
      { head: "REVISION", cell: ({ number, present }) => `${number}${present ? " (now)" : ""}` },
      { head: "AGE", cell: ({ createdAt }) => sinceOf(createdAt, now) },
      { head: "IMAGE", cell: ({ spec }) => spec?.image ?? "" },
      { head: "CHANGE-CAUSE", cell: ({ cause }) => cause },
    ],
    json: (one) => ({
      revision: Number(one.number),
      createdAt: one.createdAt,
      ...(one.cause && { changeCause: one.cause }),
      present: one.present,
      ...(one.spec && { spec: toJson(RemoteAppSpecSchema, one.spec) }),
    }),
    empty: `The history of ${app} is empty. It begins when the agent has seen the app, and needs its right to write ControllerRevisions.`,
  };
}

function lines({ spec }: AppRevision): string[] {
  if (!spec) return ["# This program does not understand it; see: kubectl get controllerrevisions -o yaml"];
  const json: JsonObject = { spec: toJson(RemoteAppSpecSchema, spec) };
  return stringify(json, { lineWidth: 0 }).trimEnd().split("\n").map(visible);
}

/** What is so now, with `-` where it goes and `+` where it comes. */
function changes(present: AppRevision, chosen: AppRevision): string {
  return `${markedLines(lines(present), lines(chosen)).join("\n")}\n`;
}
