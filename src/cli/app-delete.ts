/** `fairlead app delete`: asks for it, or leaves running what runs, and waits when asked until all is as it was asked for. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { Command } from "commander";
import type { FairleadClient } from "../client/index.ts";
import type { DeleteAppResponse } from "../gen/fairlead/console/v1/app_service_pb.ts";
import {
  type ActOptions,
  type AppName,
  actOnEach,
  addActOptions,
  addTargetOptions,
  chooseApps,
} from "./app-targets.ts";
import { timeoutOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { plain } from "./table.ts";
import { watchApps } from "./watch.ts";

interface Options extends ActOptions {
  readonly keep?: boolean;
  readonly ignoreNotFound?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

export function addAppDelete(app: Command, context: CliContext): void {
  const { terminal } = context;
  const remove = app.command("delete [names...]").description("delete apps, here and at their peers");
  addActOptions(addTargetOptions(remove))
    .option("--keep", "what runs goes on running at its peers, as orphans that can be adopted")
    .option("--no-keep", "nothing goes on running, also where an annotation of the app says so")
    .option("--ignore-not-found", "one that is not there is no failure")
    .option("--wait", "until the peers have deleted what ran")
    .addOption(timeoutOption())
    .action((names: string[], options: Options) =>
      withAgent(remove, context, async (connection, signal) => {
        const { client } = connection;
        const targets = await chooseApps(connection, names, options, signal);
        const isWaiting = options.wait === true && options.dryRun === undefined;
        const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeout * 1000)]);
        // All are asked for before the first is waited for.
        const answers = new Map<AppName, Promise<DeleteAppResponse | undefined>>();
        for (const ref of targets) {
          const answer = ask(client, ref, options, signal);
          answers.set(ref, answer);
          await answer.catch(() => undefined); // Told below.
        }
        await actOnEach(terminal, targets, options, async (ref) => {
          const answer = await answers.get(ref);
          if (!answer) return { word: "not there" };
          if (isWaiting) await untilGone(client, ref, options.timeout, limit, signal, terminal.err);
          if (!answer.kept) return { word: isWaiting ? "deleted" : "deletion asked for" };
          return { word: "deleted", note: howToTakeBack(answer) };
        });
      }),
    );
}

/** Undefined for one that is not there and need not be. */
async function ask(
  client: FairleadClient,
  ref: AppName,
  { keep, dryRun, ignoreNotFound }: Options,
  signal: AbortSignal,
): Promise<DeleteAppResponse | undefined> {
  try {
    const request = { ref, dryRun: dryRun !== undefined, ...(keep === undefined ? {} : { keep }) };
    return await client.apps.deleteApp(request, { signal });
  } catch (error) {
    if (ignoreNotFound && isMissing(error)) return undefined;
    throw error;
  }
}

/** Says on the way what is in the way. */
async function untilGone(
  client: FairleadClient,
  ref: AppName,
  seconds: number,
  limit: AbortSignal,
  interrupted: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  let said = "";
  let isThere = false;
  try {
    for await (const heard of watchApps({ client, signal: limit, say }, ref)) {
      if (heard.kind === "gone" || (heard.kind === "synced" && !isThere)) return;
      if (heard.kind === "synced") continue;
      isThere = true;
      const { phase, message: why } = heard.item.status ?? {};
      const message = plain((phase === "Deleting" && why) || "");
      if (message && message !== said) say(`${ref.name}: ${message}\n`);
      said = message;
    }
  } catch (error) {
    if (!limit.aborted || interrupted.aborted) throw error;
    throw new CliError(`${ref.name} is not gone after ${seconds} s${said ? `: ${said}` : ""}`, {
      code: exitCode.timeout,
      hint: `fairlead app get ${ref.name} -n ${ref.namespace}`,
      cause: error,
    });
  }
}

function howToTakeBack({ uid, peers }: { readonly uid: string; readonly peers: readonly string[] }): string {
  if (peers.length === 0) return "no peer had it";
  const ways = peers.map((peer) => `fairlead orphan adopt ${uid} --at ${peer}`);
  return plain(`it goes on running at ${peers.join(", ")}; to take it back: ${ways.join("; or ")}`);
}

function isMissing(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.NotFound;
}
