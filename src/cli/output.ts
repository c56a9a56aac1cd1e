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
    return terminal.out(`${formatTable(view.columns, items, { wide: format === "wide", head: true }).text}\n`);
  }
  if (format === "name") return terminal.out(items.map((item) => `${plain(view.name(item))}\n`).join(""));
  return printJson(terminal, { apiVersion: "v1", kind: "List", items: items.map((item) => view.json(item)) }, format);
}

/** Prints one object. */
export async function printOne<T>(terminal: Terminal, view: View<T>, item: T, format: Format): Promise<void> {
  if (format === "json" || format === "yaml") return printJson(terminal, view.json(item), format);
  return printList(terminal, view, [item], format);
}

/** Prints the states of a watch, one after another: rows under one head, or a document each. */
export function createWatchPrinter<T>(terminal: Terminal, view: View<T>, format: Format): (item: T) => Promise<void> {
  let widths: number[] | undefined;
  return async (item) => {
    if (format !== "table" && format !== "wide") return printOne(terminal, view, item, format);
    const table = formatTable(view.columns, [item], {
      wide: format === "wide",
      head: !widths,
      ...(widths && { widths }),
    });
    widths = table.widths;
    await terminal.out(`${table.text}\n`);
  };
}

async function printJson(terminal: Terminal, value: JsonValue, format: "json" | "yaml"): Promise<void> {
  if (format === "json") await terminal.out(`${JSON.stringify(value, null, 2)}\n`);
  else await terminal.out(stringify(value, { directives: true, lineWidth: 0 }).replace(/^(?!---)/, "---\n"));
}
