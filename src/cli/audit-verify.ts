/** `fairlead audit verify`: are the entries as they were written? Those that the agent keeps, or those of a log, without an agent. */
import type { Command } from "commander";
import { ChainVerifier } from "../base/audit-chain.ts";
import type { FairleadClient } from "../client/index.ts";
import { withAgent } from "./command.ts";
import type { CliContext, Terminal } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { plain } from "./table.ts";

interface Options {
  readonly file?: string;
  readonly noted?: string;
}

/** What was found, wherever the entries were. */
interface Finding {
  readonly entries: number;
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly head: string;
  readonly problems: readonly string[];
  readonly notes: readonly string[];
  /** Whether the hash that was noted is among them; undefined when none was given. */
  readonly hasNoted: boolean | undefined;
}

export function addAuditVerify(audit: Command, context: CliContext): void {
  const { terminal } = context;
  const verify = audit
    .command("verify")
    .description("whether no entry was altered, removed or put in: of those that the agent keeps, or of a log");
  verify
    .option("-f, --file <log>", "the agent's log, or a part of it; - reads standard input. No agent is asked")
    .option("--noted <hash>", "an entry's hash that was noted before: it must be among them")
    .action(async (options: Options) => {
      if (options.noted !== undefined && !/^[0-9a-f]{64}$/.test(options.noted)) {
        throw new CliError("--noted takes all 64 digits of a hash", { code: exitCode.usage });
      }
      if (options.file !== undefined) return tell(await readLog(terminal, options.file, options.noted), terminal);
      await withAgent(verify, context, async ({ client }, signal) => {
        await tell(await askAgent(client, options.noted, signal), terminal);
      });
    });
}

async function readLog(terminal: Terminal, file: string, noted: string | undefined): Promise<Finding> {
  const verifier = new ChainVerifier();
  let number = 0;
  for await (const line of terminal.readLines(file)) {
    number += 1;
    verifier.add(line, `line ${number}`);
  }
  const { entries, first, last, head = "", problems, notes } = verifier.report();
  if (entries === 0 && problems.length === 0) {
    throw new CliError(`${file === "-" ? "standard input" : file} holds no entry of an audit`, {
      code: exitCode.usage,
      hint: "kubectl -n fairlead-system logs deployment/fairlead | fairlead audit verify -f -",
    });
  }
  const hasNoted = noted === undefined ? undefined : verifier.has(noted);
  return { entries, first, last, head, problems: problems.map(({ message }) => message), notes, hasNoted };
}

async function askAgent(client: FairleadClient, noted: string | undefined, signal: AbortSignal): Promise<Finding> {
  const { entries, firstSequence, lastSequence, head, problems, notes } = await client.audit.verifyAudit(
    {},
    { signal },
  );
  const kept =
    noted === undefined
      ? []
      : (await client.audit.listAudit({ limit: mostKept, pageSize: mostKept }, { signal })).entries;
  return {
    entries: Number(entries),
    first: Number(firstSequence),
    last: Number(lastSequence),
    head,
    problems,
    notes,
    hasNoted: noted === undefined ? undefined : kept.some(({ hash }) => hash === noted),
  };
}

/** As many entries as an agent keeps and answers with. */
const mostKept = 10_000;

async function tell(
  { entries, first, last, head, problems, notes, hasNoted }: Finding,
  terminal: Terminal,
): Promise<void> {
  for (const note of notes) terminal.err(`note: ${plain(note)}\n`);
  const bad = [...problems];
  if (hasNoted === false)
    bad.push("The hash that was noted is not among them: that entry was altered or removed, or is not kept any more.");
  const range = entries > 0 ? `, ${first} to ${last}` : "";
  const counted = `${entries} ${entries === 1 ? "entry" : "entries"}${range}`;
  if (bad.length === 0) {
    await terminal.out(`intact: ${counted}\nhead: ${plain(head) || "none"}\n`);
    return;
  }
  for (const problem of bad) await terminal.out(`${plain(problem)}\n`);
  throw new CliError(`the audit is not intact: ${bad.length} problem${bad.length === 1 ? "" : "s"} in ${counted}`);
}
