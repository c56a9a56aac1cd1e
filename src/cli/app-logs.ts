/** `fairlead app logs`: what an app's pods write, wherever they run. */
import { styleText } from "node:util";
import type { Command } from "commander";
import { namespaceOption, spanSeconds, wholeNumber, withAgent } from "./command.ts";
import type { CliContext, Terminal } from "./context.ts";
import { harmless, plain } from "./table.ts";

interface LogsOptions {
  readonly namespace?: string;
  readonly follow?: boolean;
  readonly tail?: number;
  readonly since?: number;
  readonly previous?: boolean;
  readonly timestamps?: boolean;
  readonly pod?: string;
  readonly peer?: string;
  readonly prefix?: boolean;
  readonly container?: string;
  readonly allContainers?: boolean;
}

export function addAppLogs(app: Command, context: CliContext): void {
  const { terminal } = context;
  const logs = app
    .command("logs <name>")
    .description("log lines of all pods of an app at all its peers, merged as they come")
    .addOption(namespaceOption())
    .option("-f, --follow", "go on until Ctrl-C, also with pods that come")
    .option("--tail <lines>", "only the last lines of each pod", wholeNumber(0, 1_000_000))
    .option("--since <span>", 'only lines of the last span, as in "10m"', spanSeconds)
    .option("-p, --previous", "of the container before the last restart")
    .option("--timestamps", "begin each line with its time")
    .option("--pod <name>", "only of this pod")
    .option("--peer <name>", "only at this peer")
    .option("-c, --container <name>", "of this container; by default the app's own")
    .option("--all-containers", "of all containers, those that run before the others too")
    .option(
      "--prefix",
      "begin each line with the pod's name; of an app at several peers each line does, with the peer's",
    )
    .option("--no-prefix", "only the lines, also of an app at several peers");
  // What is piped on is the app's own bytes; a terminal would obey them.
  const shown = (line: string): string => (terminal.interactive ? harmless(line) : line);
  logs.action((name: string, options: LogsOptions) =>
    withAgent(logs, context, async (connection, signal) => {
      const request = {
        app: { namespace: options.namespace ?? connection.namespace, name },
        follow: options.follow === true,
        ...(options.tail !== undefined && { tailLines: options.tail }),
        sinceSeconds: BigInt(options.since ?? 0),
        previous: options.previous === true,
        timestamps: options.timestamps === true,
        pod: options.pod ?? "",
        peer: options.peer ?? "",
        container: options.container ?? "",
        allContainers: options.allContainers === true,
      };
      const prefix = new Prefixes(terminal);
      for await (const { peer, pod, container, line, notice } of connection.client.pods.logs(request, { signal })) {
        const from = [peer, pod, container].filter((part) => part !== "").join("/");
        if (notice) terminal.err(`${plain(`[${from}] ${notice}`)}\n`);
        else await terminal.out(`${(options.prefix ?? peer !== "") ? prefix.of(from) : ""}${shown(line)}\n`);
      }
    }),
  );
}

const colours = ["cyan", "yellow", "green", "magenta", "blue", "red"] as const;

/** What stands before a line; on a terminal in a colour of its own for each source, as long as there are colours. */
class Prefixes {
  readonly #known = new Map<string, string>();
  readonly #coloured: boolean;

  constructor({ interactive, env }: Terminal) {
    this.#coloured = interactive && !env.NO_COLOR;
  }

  of(source: string): string {
    const known = this.#known.get(source);
    if (known !== undefined) return known;
    const colour = colours[this.#known.size % colours.length] ?? "cyan";
    const text = `[${plain(source)}] `;
    const made = this.#coloured ? styleText(colour, text, { validateStream: false }) : text;
    this.#known.set(source, made);
    return made;
  }
}
