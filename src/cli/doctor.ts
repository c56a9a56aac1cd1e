/** `fairlead doctor`: why something between agents does not work, or works badly. */
import { create } from "@bufbuild/protobuf";
import type { Command } from "commander";
import {
  type Examiner,
  type Finding,
  Finding_Level,
  FindingSchema,
} from "../gen/fairlead/console/v1/doctor_service_pb.ts";
import { outputOption, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { createFindingPrinter } from "./doctor-view.ts";
import { CliError, exitCode } from "./errors.ts";
import type { Format } from "./output.ts";
import { explainUnreachable } from "./unreachable.ts";

export function addDoctorCommand(program: Command, context: CliContext): void {
  const { terminal } = context;
  const doctor = program
    .command("doctor [peer]")
    .description("look for what is wrong with this agent, or with the way to a peer: finding, evidence, remedy");
  doctor
    .addOption(outputOption())
    .option("--url <url>", "look from this machine at an agent's URL, as a peer would dial it; needs no agent here")
    .action(async (peer: string | undefined, options: { output: Format; url?: string }) => {
      const printer = createFindingPrinter(terminal, options.output);
      let failure: CliError | undefined;
      if (options.url !== undefined) {
        if (peer !== undefined) {
          throw new CliError("either a peer, to which the agent goes, or a URL, to which this machine goes", {
            code: exitCode.usage,
          });
        }
        for await (const finding of context.lookAtUrl(options.url, context.signal)) await printer.add(finding);
      } else {
        try {
          await withAgent(doctor, context, async ({ client }, signal) => {
            for await (const { event } of client.doctor.diagnose({ peer: peer ?? "" }, { signal })) {
              if (event.case === "finding") await printer.add(event.value);
              else if (event.case === "examiner")
                for (const one of compare(event.value, context)) await printer.add(one);
            }
          });
        } catch (error) {
          failure = unreachedAgent(error);
          if (!failure) throw error;
          await printer.add(notReached(failure));
        }
      }
      await printer.end();
      if (failure) throw new CliError("no agent was reached", { code: failure.code, cause: failure });
      if (printer.problems > 0) throw new CliError(tellCount(printer.problems, printer.warnings));
    });
}

/** Only that nobody is there is a finding; whatever else goes wrong is an error like any other. */
function unreachedAgent(error: unknown): CliError | undefined {
  const known = explainUnreachable(error, "");
  return known instanceof CliError && known.code === exitCode.unavailable ? known : undefined;
}

function notReached({ message, hint = "" }: CliError): Finding {
  const remedy = `${hint}${hint && "; "}without an agent, \`fairlead doctor --url URL\` looks from this machine`;
  return finding(Finding_Level.PROBLEM, "reach", message, [], remedy);
}

const noticeableMs = 30_000;

/** This machine and its program beside the agent's. */
function compare({ version, time }: Examiner, context: CliContext): Finding[] {
  const same = version === context.version;
  const about = `this program is of version ${context.version}, the agent of ${version}`;
  const byVersion = same
    ? finding(Finding_Level.OK, "version", `this program and the agent are both of version ${version}`)
    : finding(
        Finding_Level.WARNING,
        "version",
        about,
        [],
        "Use the program that came with the agent: one may not know what the other says.",
      );
  const aheadMs = Date.parse(time) - Date.now();
  if (Number.isNaN(aheadMs)) return [byVersion];
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const where = `the agent's clock is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} this machine's`;
  const byClock =
    Math.abs(aheadMs) < noticeableMs
      ? finding(Finding_Level.OK, "clock", "the agent's clock and this machine's agree", [where])
      : finding(
          Finding_Level.WARNING,
          "clock",
          where,
          [],
          "Set both by NTP; ages and times that are shown are wrong by as much.",
        );
  return [byVersion, byClock];
}

function finding(level: Finding_Level, check: string, summary: string, evidence: string[] = [], remedy = ""): Finding {
  return create(FindingSchema, { level, subject: "cli", check, summary, evidence, remedy });
}

function tellCount(problems: number, warnings: number): string {
  const text = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
  return `${text(problems, "problem")} found${warnings > 0 ? `, and ${text(warnings, "warning")}` : ""}`;
}
