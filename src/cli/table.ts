/** Tables in kubectl's manner: upper-case heads, columns as wide as they must be, three spaces between. Pure. */
import { stripVTControlCharacters, styleText } from "node:util";

/** One column of a table of `T`. */
export interface Column<T> {
  readonly head: string;
  /** The cell's text; empty becomes "<none>". */
  cell(row: T): string;
  /** Shown only with `-o wide`. */
  readonly wide?: boolean;
  /** What the cell says of how things are; on a terminal it is its colour. */
  tone?(row: T): Tone | undefined;
}

/** Well, not yet, or not well. */
export type Tone = "good" | "waiting" | "bad";

const colours = { good: "green", waiting: "yellow", bad: "red" } as const;

export interface TableOptions {
  readonly wide: boolean;
  readonly head: boolean;
  readonly colours?: boolean;
  /** At least so wide, from an earlier part of the same table. */
  readonly widths?: readonly number[] | undefined;
}

/** The lines of a table, without a last line feed. Control characters in cells are removed: they come from peers. */
export function formatTable<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  options: TableOptions,
): { text: string; widths: number[] } {
  const shown = columns.filter((column) => options.wide || !column.wide);
  const cells = rows.map((row) => shown.map((column) => plain(column.cell(row)) || "<none>"));
  const widths = shown.map((column, index) =>
    cells.reduce(
      (widest, row) => Math.max(widest, row[index]?.length ?? 0),
      Math.max(options.widths?.[index] ?? 0, column.head.length),
    ),
  );
  const line = (texts: readonly string[], tones: readonly (Tone | undefined)[]): string => {
    const padded = texts.map((text, index) => (index === texts.length - 1 ? text : text.padEnd(widths[index] ?? 0)));
    return padded.map((text, index) => (options.colours ? paint(tones[index], text) : text)).join("   ");
  };
  const lines = rows.map((row, index) => {
    const tones = shown.map((column) => column.tone?.(row));
    return line(cells[index] ?? [], tones);
  });
  if (options.head) {
    const heads = shown.map((column) => column.head);
    lines.unshift(line(heads, []));
  }
  return { text: lines.map((text) => text.trimEnd()).join("\n"), widths };
}

function paint(tone: Tone | undefined, text: string): string {
  return tone ? styleText(colours[tone], text, { validateStream: false }) : text;
}

/** Text of unknown origin as one harmless line: without control characters, and without those that turn its direction. */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, " ");
}

/** Text of unknown origin as one line that shows all that is in it: what would not be seen stands there by its number. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}\u115f\u1160\u3164\uffa0]/gu, (unseen) => {
    return `\\u{${(unseen.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** A line of a log with its colours and tabs, and without everything else that a terminal would obey. */
export function harmless(line: string): string {
  // The pattern is a capture, so that every second part is what may stay.
  const parts = line.split(colourOrTab);
  const shown = parts.map((part, index) => (index % 2 === 1 ? part : plain(part))).join("");
  return shown === line || !line.includes(esc) ? shown : `${shown}${esc}[0m`;
}

const esc = String.fromCharCode(27);
const colourOrTab = new RegExp(`(${esc}\\[[0-9;:]*m|\\t)`);

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

/** A number of bytes as people read it: "512 B", "3.4 MiB", "120 GiB". */
export function formatBytes(count: number): string {
  const power = count < 1024 ? 0 : Math.min(5, Math.floor(Math.log2(count) / 10));
  const value = count / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB", "PiB"][power]}`;
}

/** How long ago a time was, as an age; empty when there is no time. */
export function sinceOf(time: string | undefined, now: number): string {
  const at = Date.parse(time ?? "");
  return Number.isNaN(at) ? "" : formatAge(now - at);
}

/** How long it is until a time, as in "7h"; what has passed is told as such. Empty when there is no time. */
export function leftOf(time: string | undefined, now: number): string {
  const at = Date.parse(time ?? "");
  if (Number.isNaN(at)) return "";
  return at > now ? `${formatAge(at - now)} left` : `ended ${formatAge(now - at)} ago`;
}
