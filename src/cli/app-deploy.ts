/** `fairlead app deploy`: from options or from a file, and wait until it runs when asked. */
import { Code, ConnectError } from "@connectrpc/connect";
import { type Command, Option } from "commander";
import type { FairleadClient } from "../client/index.ts";
import { type App, DeployAppResponse_Outcome as Outcome } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { deployDiff, sentWith } from "./app-diff.ts";
import type { AppManifest } from "./app-manifest.ts";
import { addSpecOptions, readWanted, type SpecOptions } from "./app-options.ts";
import { type AskedVerdict, failOnVerdicts, verdictLines } from "./app-verdict.ts";
import { outputOption, timeoutOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { type Format, printList, printOne } from "./output.ts";
import { warnOfPeers } from "./peer-warning.ts";
import { plain } from "./table.ts";
import { appView } from "./views.ts";
import { watchApps } from "./watch.ts";

interface Options extends SpecOptions {
  readonly peer?: string;
  readonly dryRun?: string;
  readonly diff?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
  readonly output: Format;
}

const outcomeWords: Readonly<Record<Outcome, string>> = {
  [Outcome.UNSPECIFIED]: "deployed",
  [Outcome.CREATED]: "created",
  [Outcome.CONFIGURED]: "configured",
  [Outcome.UNCHANGED]: "unchanged",
};

export function addAppDeploy(app: Command, context: CliContext): void {
  const { terminal } = context;
  const deploy = addSpecOptions(
    app.command("deploy [name]").description("run an app at a peer: from options, or from RemoteApp manifests"),
  )
    .option("--peer <peer>", "where it runs")
    .addOption(
      new Option("--dry-run [how]", "check everything, also with the peer, and change nothing")
        .choices(["server"])
        .preset("server"),
    )
    .option("--diff", "as --dry-run, and show what would change")
    .option("--wait", "until it is Ready")
    .addOption(timeoutOption())
    .addOption(outputOption());
  deploy.action((name: string | undefined, options: Options) =>
    withAgent(deploy, context, async ({ client, namespace }, signal) => {
      const wanted = await readWanted(name, options, options.namespace ?? namespace, terminal);
      // All are checked before the first is written, so that a mistake in the last leaves nothing half done.
      if (wanted.length > 1)
        for (const one of wanted) await client.apps.deployApp({ ...one, dryRun: true }, { signal });
      const isDry = options.dryRun !== undefined || options.diff === true;
      const answered: App[] = [];
      const verdicts: AskedVerdict[] = [];
      for (const manifest of wanted) {
        const before = options.diff ? await present(client, manifest, signal) : undefined;
        const answer = await client.apps.deployApp({ ...manifest, dryRun: isDry }, { signal });
        if (options.output === "json" || options.output === "yaml") {
          if (answer.app) answered.push(answer.app);
        } else {
          const dry = isDry ? " (dry run)" : "";
          const at = options.output === "name" ? "" : ` ${outcomeWords[answer.outcome]}${dry}`;
          await terminal.out(`remoteapp.fairlead.dev/${manifest.ref.name}${at}\n`);
          if (options.diff && answer.app && options.output !== "name") {
            await terminal.out(
              deployDiff(before, answer.app)
                .map((line) => `${line}\n`)
                .join(""),
            );
          }
        }
        const sent = isDry && answer.app ? sentWith(answer.app) : undefined;
        if (sent) terminal.err(`${manifest.ref.name}: ${sent}\n`);
        if (answer.verdict) verdicts.push({ app: manifest.ref, verdict: answer.verdict });
      }
      const view = appView(Date.now(), namespace);
      const [only, ...more] = answered;
      if (only && more.length === 0) await printOne(terminal, view, only, options.output);
      if (more.length > 0) await printList(terminal, view, answered, options.output);
      await warnOfPeers(client, wanted, signal, terminal.err);
      for (const asked of verdicts) terminal.err(`${verdictLines(asked).join("\n")}\n`);
      // Who cannot be asked now gets the wish later, so that is no refusal.
      failOnVerdicts(verdicts.filter(({ verdict }) => verdict.verdict !== "Unknown"));
      if (!options.wait || isDry) return;
      const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeout * 1000)]);
      for (const manifest of wanted) await untilReady(client, manifest, limit, signal, options.timeout, terminal.err);
    }),
  );
}

/** The app as it is now, if it is there. */
async function present(client: FairleadClient, { ref }: AppManifest, signal: AbortSignal): Promise<App | undefined> {
  try {
    return (await client.apps.getApp({ ref }, { signal })).app;
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.NotFound) return undefined;
    throw error;
  }
}

/** Follows one app until this generation of it is Ready, and says each new state on the way. */
async function untilReady(
  client: FairleadClient,
  manifest: AppManifest,
  limit: AbortSignal,
  interrupted: AbortSignal,
  seconds: number,
  say: (text: string) => void,
): Promise<void> {
  const { namespace, name } = manifest.ref;
  let said = "";
  try {
    for await (const heard of watchApps({ client, signal: limit, say }, manifest.ref)) {
      if (heard.kind === "gone") {
        throw new CliError(`${name} was deleted while waiting`, { code: exitCode.notFound });
      }
      if (heard.kind === "synced") continue;
      const { metadata, status } = heard.item;
      const why = plain(status?.message || status?.reason || "");
      const state = [status?.phase || "Pending", why].filter(Boolean).join(": ");
      if (why && state !== said) say(`${name}: ${state}\n`);
      said = state;
      const isCurrent = BigInt(status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0n);
      if (!isCurrent) continue;
      if (status?.phase === "Ready") return;
      // A person may take days; whoever waits for one does so by the inbox there.
      if (status?.phase === "Held") {
        throw new CliError(`${name} is held: ${why}`, {
          code: exitCode.held,
          hint: `a person at the peer decides; fairlead app get ${name} -n ${namespace} --watch`,
        });
      }
      if (status?.phase === "Denied") throw new CliError(`${name} was denied: ${why}`, { code: exitCode.denied });
    }
  } catch (error) {
    if (!limit.aborted || interrupted.aborted) throw error;
    throw new CliError(`${name} is not Ready after ${seconds} s: ${said || "nothing heard"}`, {
      code: exitCode.timeout,
      hint: `fairlead app logs ${name} -n ${namespace}, or a longer --timeout`,
      cause: error,
    });
  }
}
