/** `fairlead audit`: who asked what of this agent, and what became of it. */
import { type Command, Option } from "commander";
import { addAuditVerify } from "./audit-verify.ts";
import { auditView } from "./audit-view.ts";
import { outputOption, spanSeconds, wholeNumber, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { addListOptions, type ListOptions, readList } from "./list-options.ts";
import { type Format, printList } from "./output.ts";

interface AuditListOptions extends ListOptions {
  readonly peer?: string;
  readonly since?: number;
  readonly verdict?: string;
  readonly action?: string;
  readonly correlation?: string;
  readonly limit: number;
  readonly output: Format;
}

export function addAuditCommands(program: Command, context: CliContext): void {
  const audit = program.command("audit").description("who asked what of this agent, and what became of it");
  addList(audit, context);
  addAuditVerify(audit, context);
}

function addList(audit: Command, context: CliContext): void {
  const list = audit.command("list").alias("ls").description("entries that match, the latest last");
  addListOptions(list, { labels: false })
    .option("--peer <peer>", "only what this peer asked, or was asked")
    .option("--since <span>", 'only of the last span, as in "1h"', spanSeconds)
    .addOption(
      new Option("--verdict <verdict>", "only with this outcome").choices([
        "allowed",
        "denied",
        "held",
        "done",
        "failed",
      ]),
    )
    .option("--action <action>", 'only these, as in "app.admit", or "app" for all of that noun')
    .option("--correlation <id>", "only what belongs to one request; the id is the same at both ends")
    .option("--limit <count>", "the latest so many", wholeNumber(1, 10_000), 1000)
    .addOption(outputOption())
    .action((options: AuditListOptions) =>
      withAgent(list, context, async ({ client }, signal) => {
        const { peer = "", verdict = "", action = "", correlation = "", limit } = options;
        const since = options.since === undefined ? "" : new Date(Date.now() - options.since * 1000).toISOString();
        const request = { peer, verdict, action, correlation, since, limit };
        const entries = await readList(
          options,
          (words) => client.audit.listAudit({ ...request, ...words }, { signal }),
          (answer) => answer.entries,
        );
        await printList(context.terminal, auditView, entries, options.output);
      }),
    );
}
