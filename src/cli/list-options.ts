/** What every command that lists takes, with kubectl's manners: what is listed, in which order, and how it is read. */
import { type Command, Option } from "commander";
import { readAll } from "../client/pages.ts";
import { wholeNumber } from "./command.ts";
import { CliError, exitCode } from "./errors.ts";

export interface ListOptions {
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly sortBy?: string;
  readonly chunkSize: number;
}

/** The words of a request for one page of a list. */
export interface ListWords {
  /** Of lists of things that have labels. */
  readonly labelSelector?: string;
  readonly fieldSelector: string;
  readonly orderBy: string;
  readonly pageSize: number;
  readonly pageToken: string;
}

/** The most that a page takes: what is asked for with `--chunk-size=0`. */
const largestPage = 10_000;

/** Adds `-l`, `--field-selector`, `--sort-by` and `--chunk-size`. Without labels there is no `-l`. */
export function addListOptions(command: Command, { labels }: { readonly labels: boolean }): Command {
  if (labels) command.option("-l, --selector <selector>", 'only with these labels, as in "app=shop,tier!=test"');
  return command
    .option(
      "--field-selector <selector>",
      'only those of which fields are so, as in "name=web"; to a wrong field the agent says which there are',
    )
    .option("--sort-by <fields>", 'in this order, as in "name", or "created desc"')
    .addOption(
      new Option("--chunk-size <count>", "read so many at a time; 0: all that the agent gives at once")
        .argParser(wholeNumber(0, largestPage))
        .default(500),
    );
}

/** Reads a list to its end, as the options say. */
export function readList<Answer extends { readonly nextPageToken: string }, Item>(
  { selector, fieldSelector = "", sortBy = "", chunkSize }: ListOptions,
  ask: (words: ListWords) => Promise<Answer>,
  itemsOf: (answer: Answer) => readonly Item[],
): Promise<Item[]> {
  const words = { ...(selector !== undefined && { labelSelector: selector }), fieldSelector, orderBy: sortBy };
  return readAll((page) => ask({ ...words, ...page }), itemsOf, chunkSize || largestPage);
}

/** Throws a usage error for what a watch does not do: it tells of changes as they come. */
export function refuseWithWatch({ fieldSelector, sortBy }: ListOptions): void {
  const asked = fieldSelector === undefined ? "--sort-by" : "--field-selector";
  if ((fieldSelector ?? sortBy) === undefined) return;
  throw new CliError(`${asked} is for lists, and --watch tells of changes as they come`, { code: exitCode.usage });
}
