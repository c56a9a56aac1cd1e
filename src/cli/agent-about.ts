/** `fairlead agent info`, `health`, `versions`, `log` and `test`: about the agent that is there. */
import { type Command, Option } from "commander";
import { componentView, infoView, logJson, logText, versionView } from "./agent-view.ts";
import { outputOption, wholeNumber, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { createFindingPrinter } from "./doctor-view.ts";
import { CliError } from "./errors.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
import { type Format, printList, printOne } from "./output.ts";

export function addAgentAbout(agent: Command, context: CliContext): void {
  addInfo(agent, context);
  addHealth(agent, context);
  addVersions(agent, context);
  addLog(agent, context);
  addTest(agent, context);
}

function addInfo(agent: Command, context: CliContext): void {
  const info = agent.command("info").description("who the agent is, since when it runs, and how much there is");
  info.addOption(outputOption()).action(({ output }: { output: Format }) =>
    withAgent(info, context, async ({ client }, signal) => {
      await printOne(context.terminal, infoView(Date.now()), await client.agent.getInfo({}, { signal }), output);
    }),
  );
}

function addHealth(agent: Command, context: CliContext): void {
  const health = agent.command("health").description("how each part of the agent is; fails when one is not well");
  health.addOption(outputOption()).action(({ output }: { output: Format }) =>
    withAgent(health, context, async ({ client }, signal) => {
      const { ok, components } = await client.agent.getHealth({}, { signal });
      await printList(context.terminal, componentView, components, output);
      if (ok) return;
      const ill = components.filter((one) => !one.ok).map(({ name }) => name);
      throw new CliError(`not well: ${ill.join(", ")}`, { hint: "fairlead doctor, or fairlead agent log" });
    }),
  );
}

function addVersions(agent: Command, context: CliContext): void {
  const versions = agent.command("versions").description("the version of each peer beside the agent's own");
  addListOptions(versions, { labels: false })
    .addOption(outputOption())
    .action((options: ListOptions & { output: Format }) =>
      withAgent(versions, context, async ({ client }, signal) => {
        const found = await readList(
          options,
          (words) => client.agent.listPeerVersions(words, { signal }),
          (answer) => answer.peerVersions,
        );
        await printList(context.terminal, versionView, found, options.output);
      }),
    );
}

interface LogOptions {
  readonly level?: string;
  readonly tail: number;
  readonly contains?: string;
  readonly follow?: boolean;
  readonly output: "text" | "json";
}

function addLog(agent: Command, context: CliContext): void {
  const { terminal } = context;
  const log = agent.command("log").alias("logs").description("the agent's own log, as far as it is kept in memory");
  log
    .option("-f, --follow", "go on with lines to come until Ctrl-C")
    .option("--tail <lines>", "only the last so many to begin with; 0: all that are kept", wholeNumber(0, 10_000), 100)
    .addOption(new Option("--level <level>", "only of this weight or more").choices(["debug", "info", "warn", "error"]))
    .option("--contains <text>", "only lines that hold this text, in either case")
    .addOption(
      new Option("-o, --output <format>", "text, or an object a line").choices(["text", "json"]).default("text"),
    )
    .action(({ level = "", tail, contains = "", follow = false, output }: LogOptions) =>
      withAgent(log, context, async ({ client }, signal) => {
        for await (const { event } of client.agent.readLog({ level, tail, contains, follow }, { signal })) {
          if (event.case === "missed") terminal.err(`${event.value} lines were overtaken before they were read\n`);
          else if (event.case === "line") {
            const { value } = event;
            await terminal.out(`${output === "json" ? JSON.stringify(logJson(value)) : logText(value)}\n`);
          }
        }
      }),
    );
}

function addTest(agent: Command, context: CliContext): void {
  const { terminal } = context;
  const test = agent
    .command("test <peer>")
    .description("go the way to a peer step by step; - reads an invite from standard input, and goes to who made it");
  test.addOption(outputOption()).action((peer: string, { output }: { output: Format }) =>
    withAgent(test, context, async ({ client }, signal) => {
      const printer = createFindingPrinter(terminal, output);
      const to = peer === "-" ? { invite: (await terminal.readInput()).trim() } : { peer };
      for await (const { finding } of client.agent.testConnection(to, { signal })) {
        if (finding) await printer.add(finding);
      }
      await printer.end();
      if (printer.problems > 0)
        throw new CliError(`the way to ${peer === "-" ? "who made the invite" : peer} does not stand`);
    }),
  );
}
