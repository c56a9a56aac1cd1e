/** The options that say what an app is: a file of RemoteApps, or each field by itself. */
import type { Command } from "commander";
import { type AppManifest, appFromOptions, type DeployOptions, isPlaced, readManifests } from "./app-manifest.ts";
import { collectList, namespaceOption, wholeNumber } from "./command.ts";
import type { Terminal } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";

export interface SpecOptions extends Omit<DeployOptions, "peer"> {
  readonly namespace?: string;
  readonly file?: string[];
}

/** Adds all of them but `--peer`, which one command takes once and another several times. */
export function addSpecOptions(command: Command): Command {
  return command
    .addOption(namespaceOption())
    .option("-f, --file <file>", "RemoteApp manifests; - reads standard input; may be given again", collectOne)
    .option("--image <image>", "what runs")
    .option("--replicas <count>", "how many", wholeNumber(0, 1000))
    .option(
      "--port <port>",
      "a port it listens on, as in 8080, 8080/http or web:8080/http; may be given again",
      collectList,
    )
    .option("--env <env>", "an environment variable, as NAME=VALUE; may be given again", collectOne)
    .option("--request <requests>", "what a pod is promised, as in cpu=100m,memory=64Mi", collectList)
    .option("--limit <limits>", "what a pod may use, as in cpu=500m,memory=256Mi", collectList)
    .option("--image-pull-policy <policy>", "Always, IfNotPresent or Never")
    .option("--command <words...>", "the command instead of the image's own")
    .option("--arg <words...>", "arguments of the command")
    .option(
      "--placement-selector <labels>",
      "instead of --peer: at peers with these labels, as in tier=prod",
      collectList,
    )
    .option(
      "--placement-fact <facts>",
      "only at peers that say so of themselves, as in architecture=arm64 or memory>=64Gi",
      collectList,
    )
    .option("--count <count>", "at how many of these peers; 0 for all", wholeNumber(0, 200))
    .option("--spread <key>", "a label or fact of which the values are to be used evenly, such as region")
    .option("--move <when>", "when it leaves a peer: Never, Gone or Unreachable");
}

/** The apps of the files, or the one of the options. Throws a `CliError` with the place of the mistake. */
export async function readWanted(
  name: string | undefined,
  options: SpecOptions & { readonly peer?: string },
  namespace: string,
  terminal: Pick<Terminal, "readInput" | "readFile">,
): Promise<AppManifest[]> {
  if (!options.file) return [appFromOptions(name, namespace, options)];
  if (name !== undefined || options.image !== undefined || options.peer !== undefined || isPlaced(options)) {
    throw new CliError("a file says everything; give either -f or a name with options", { code: exitCode.usage });
  }
  const wanted: AppManifest[] = [];
  for (const file of options.file) {
    const text = file === "-" ? await terminal.readInput() : await terminal.readFile(file);
    wanted.push(...readManifests(text, file === "-" ? "standard input" : file, namespace));
  }
  return wanted;
}

/** Collects an option that is given again and may hold commas. */
function collectOne(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
