/** Label selectors of the command line, for what is selected here and not by the agent. Pure. */
import { parseLabelSelector as parse, SelectorError } from "../base/label-selector.ts";
import { CliError, exitCode } from "./errors.ts";

/** Throws a usage error that names the part it cannot read. */
export function parseLabelSelector(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    throw new CliError(error.message, {
      code: exitCode.usage,
      hint: "-l app=shop,tier!=test, or -l 'zone in (a, b)'",
      cause: error,
    });
  }
}
