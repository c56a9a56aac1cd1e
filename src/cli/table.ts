/** Tables in kubectl's manner: upper-case heads, columns as wide as they must be, three spaces between. Pure. */

import { stripVTControlCharacters } from "node:util";

/** One column of a table of `T`. */
export interface Column<T> {
  readonly head: string;
  /** The cell's text; empty becomes "<none>". */
  cell(row: T): string;
  /** Shown only with `-o wide`. */
  readonly wide?: boolean;
}

/** The lines of a table, without a last line feed. Control characters in cells are removed: they come from peers. */
export function formatTable<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  options: { wide: boolean; head: boolean; widths?: readonly number[] },
): { text: string; widths: number[] } {
  const shown = columns.filter((column) => options.wide || !column.wide);
  const cells = rows.map((row) => shown.map((column) => plain(column.cell(row)) || "<none>"));
  if (options.head) cells.unshift(shown.map((column) => column.head));
  const widths = shown.map((column, index) =>
    Math.max(options.widths?.[index] ?? 0, column.head.length, ...cells.map((row) => row[index]?.length ?? 0)),
  );
  const lines = cells.map((row) =>
    row
      .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
      .join("   ")
      .trimEnd(),
  );
  return { text: lines.join("\n"), widths };
}

/** Text of unknown origin as one harmless line. */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replace(/\p{Cc}+/gu, " ");
}

/** A span of time as kubectl writes ages: "5s", "3m12s", "4h", "12d". */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  return `${Math.floor(hours / 24)}d`;
}
