/** The ways a command shows what it has: `-o table|wide|json|yaml|name`. */
import type { JsonValue } from "@bufbuild/protobuf";
import { stringify } from "yaml";
import type { Terminal } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { type Column, formatTable, plain } from "./table.ts";

export const formats = ["table", "wide", "json", "yaml", "name"] as const;
export type Format = (typeof formats)[number];

/** How one kind of thing is shown. */
export interface View<T> {
  /** As in "remoteapp.fairlead.dev/shop"; what `-o name` prints. */
  name(item: T): string;
  readonly columns: readonly Column<T>[];
  /** The object as Kubernetes would print it. */
  json(item: T): JsonValue;
  /** What an empty table says, with what to do next. */
  readonly empty: string;
  /** More about one that was asked for by name: lines below its row, for people at a terminal. */
  detail?(item: T): string;
}

/** Reads `-o`. Throws a `CliError` that names the formats. */
export function parseFormat(text: string): Format {
  const format = formats.find((known) => known === text);
  if (format) return format;
  throw new CliError(`unknown output format ${JSON.stringify(text)}`, {
    code: exitCode.usage,
    hint: `use one of ${formats.join(", ")}`,
  });
}

/** Prints a list: as a table, as one Kubernetes List, or as names. */
export async function printList<T>(
  terminal: Terminal,
  view: View<T>,
  items: readonly T[],
  format: Format,
): Promise<void> {
  if (format === "table" || format === "wide") {
    if (items.length === 0) return terminal.err(`${view.empty}\n`);
    const options = { wide: format === "wide", head: true, colours: hasColours(terminal) };
    return terminal.out(`${formatTable(view.columns, items, options).text}\n`);
  }
  if (format === "name") return terminal.out(items.map((item) => `${plain(view.name(item))}\n`).join(""));
  return printValue(terminal, { apiVersion: "v1", kind: "List", items: items.map((item) => view.json(item)) }, format);
}

/** Prints one object. */
export async function printOne<T>(terminal: Terminal, view: View<T>, item: T, format: Format): Promise<void> {
  if (format === "json" || format === "yaml") return printValue(terminal, view.json(item), format);
  await printList(terminal, view, [item], format);
  if (format === "table" && terminal.interactive && view.detail) await terminal.out(`\n${view.detail(item)}\n`);
}

/** Prints the states of a watch, one after another: rows under one head, or a document each. */
export interface WatchPrinter<T> {
  /** Several at once stand in columns of one width. */
  print(items: readonly T[]): Promise<void>;
}

/** `view` is asked anew for each print, because ages go on. */
export function createWatchPrinter<T>(terminal: Terminal, view: () => View<T>, format: Format): WatchPrinter<T> {
  let widths: number[] | undefined;
  return {
    async print(items) {
      if (items.length === 0) return;
      if (format !== "table" && format !== "wide") {
        for (const item of items) await printOne(terminal, view(), item, format);
        return;
      }
      const options = { wide: format === "wide", head: !widths, colours: hasColours(terminal), widths };
      const table = formatTable(view().columns, items, options);
      widths = table.widths;
      await terminal.out(`${table.text}\n`);
    },
  };
}

/** Colours are for people: at a terminal, unless they said no. See https://no-color.org. */
export function hasColours(terminal: Terminal): boolean {
  return terminal.interactive && !terminal.env.NO_COLOR && terminal.env.TERM !== "dumb";
}

/** Prints what has no table, as JSON or YAML. */
export async function printValue(terminal: Terminal, value: JsonValue, format: "json" | "yaml"): Promise<void> {
  if (format === "json") await terminal.out(`${JSON.stringify(value, null, 2)}\n`);
  else await terminal.out(stringify(value, { directives: true, lineWidth: 0 }).replace(/^(?!---)/, "---\n"));
}
