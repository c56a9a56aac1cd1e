/** `fairlead app deploy`: from options or from a file, and wait until it runs when asked. */
import type { Command } from "commander";
import type { FairleadClient } from "../client/index.ts";
import { type App, DeployAppResponse_Outcome as Outcome } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { type AppManifest, appFromOptions, type DeployOptions, readManifests } from "./app-manifest.ts";
import { collectList, namespaceOption, outputOption, timeoutOption, wholeNumber, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { type Format, printList, printOne } from "./output.ts";
import { warnOfPeers } from "./peer-warning.ts";
import { plain } from "./table.ts";
import { appView } from "./views.ts";
import { watchApps } from "./watch.ts";

interface Options extends DeployOptions {
  readonly namespace?: string;
  readonly file?: string[];
  readonly dryRun?: boolean;
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
  const deploy = app
    .command("deploy [name]")
    .description("run an app at a peer: from options, or from RemoteApp manifests")
    .addOption(namespaceOption())
    .option("-f, --file <file>", "RemoteApp manifests; - reads standard input; may be given again", collectFile)
    .option("--peer <peer>", "where it runs")
    .option("--image <image>", "what runs")
    .option("--replicas <count>", "how many", wholeNumber(0, 1000))
    .option(
      "--port <port>",
      "a port it listens on, as in 8080, 8080/http or web:8080/http; may be given again",
      collectList,
    )
    .option(
      "--env <env>",
      "an environment variable, as NAME=VALUE; may be given again",
      (value: string, before: string[] = []) => [...before, value],
    )
    .option("--request <requests>", "what a pod is promised, as in cpu=100m,memory=64Mi", collectList)
    .option("--limit <limits>", "what a pod may use, as in cpu=500m,memory=256Mi", collectList)
    .option("--image-pull-policy <policy>", "Always, IfNotPresent or Never")
    .option("--command <words...>", "the command instead of the image's own")
    .option("--arg <words...>", "arguments of the command")
    .option("--dry-run", "check everything, change nothing")
    .option("--wait", "until it is Ready")
    .addOption(timeoutOption())
    .addOption(outputOption());
  deploy.action((name: string | undefined, options: Options) =>
    withAgent(deploy, context, async ({ client, namespace }, signal) => {
      const wanted = await readWanted(name, options, options.namespace ?? namespace, context);
      // All are checked before the first is written, so that a mistake in the last leaves nothing half done.
      if (wanted.length > 1)
        for (const one of wanted) await client.apps.deployApp({ ...one, dryRun: true }, { signal });
      const answered: App[] = [];
      for (const manifest of wanted) {
        const answer = await client.apps.deployApp({ ...manifest, dryRun: options.dryRun === true }, { signal });
        if (options.output === "json" || options.output === "yaml") {
          if (answer.app) answered.push(answer.app);
        } else {
          const dry = options.dryRun ? " (dry run)" : "";
          const at = options.output === "name" ? "" : ` ${outcomeWords[answer.outcome]}${dry}`;
          await terminal.out(`remoteapp.fairlead.dev/${manifest.ref.name}${at}\n`);
        }
      }
      const view = appView(Date.now(), namespace);
      const [only, ...more] = answered;
      if (only && more.length === 0) await printOne(terminal, view, only, options.output);
      if (more.length > 0) await printList(terminal, view, answered, options.output);
      await warnOfPeers(client, wanted, signal, terminal.err);
      if (!options.wait || options.dryRun) return;
      const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeout * 1000)]);
      for (const manifest of wanted) await untilReady(client, manifest, limit, signal, options.timeout, terminal.err);
    }),
  );
}

function collectFile(file: string, before: readonly string[] = []): string[] {
  return [...before, file];
}

async function readWanted(
  name: string | undefined,
  options: Options,
  namespace: string,
  { terminal }: CliContext,
): Promise<AppManifest[]> {
  if (!options.file) return [appFromOptions(name, namespace, options)];
  if (name !== undefined || options.image !== undefined || options.peer !== undefined) {
    throw new CliError("a file says everything; give either -f or a name with options", { code: exitCode.usage });
  }
  const wanted: AppManifest[] = [];
  for (const file of options.file) {
    const text = file === "-" ? await terminal.readInput() : await terminal.readFile(file);
    wanted.push(...readManifests(text, file === "-" ? "standard input" : file, namespace));
  }
  return wanted;
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
    for await (const heard of watchApps(client, manifest.ref, limit)) {
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
  throw new CliError(`the agent ended the watch before ${name} was Ready`, { code: exitCode.unavailable });
}
