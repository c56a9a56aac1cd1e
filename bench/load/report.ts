/** What was measured, as a table for people and as JSON. Pure. */
import { type Figure, figures, type Measured, percentile } from "./contender.ts";

/** All rounds of one contender. */
export interface Rounds {
  readonly name: string;
  /** Why there are none. */
  note?: string;
  readonly measured: Measured[];
  /** How it took 20 cuts. */
  cut?: string;
  /** What it did not do, and why. */
  failed?: string[];
}

export interface Summary {
  readonly name: string;
  readonly note?: string;
  /** The median of each figure's rounds. */
  readonly medians: Measured;
  readonly cut?: string;
  readonly failed?: readonly string[];
}

export function summarize({ name, note, measured, cut, failed }: Rounds): Summary {
  const medians: Measured = {};
  for (const figure of figures) {
    const values = measured.map((round) => round[figure]).filter((value) => value !== undefined);
    if (values.length > 0) medians[figure] = percentile(values, 0.5);
  }
  return {
    name,
    ...(note !== undefined && { note }),
    medians,
    ...(cut !== undefined && { cut }),
    ...(failed !== undefined && { failed }),
  };
}

const gigabits = (bytes: number): string => digits((bytes * 8) / 1e9);
const kibibytes = (bytes: number): string => digits(bytes / 1024);
const perGibibyte = (seconds: number): string => digits(seconds * 2 ** 30);
const micros = (seconds: number): string => digits(seconds * 1e6);
const plain = (value: number): string => digits(value);

const columns: Readonly<Record<Figure, { title: string; show(value: number): string }>> = {
  down: { title: "down, Gbit/s", show: gigabits },
  up: { title: "up, Gbit/s", show: gigabits },
  oneP50: { title: "c1 p50, µs", show: (ms) => String(Math.round(ms * 1000)) },
  rate64: { title: "c64, 1/s", show: (rate) => String(Math.round(rate)) },
  besideP50: { title: "beside bulk p50, ms", show: plain },
  besideP99: { title: "p99, ms", show: plain },
  opens: { title: "opens/s", show: (rate) => String(Math.round(rate)) },
  stalled: { title: "stalled, KiB", show: kibibytes },
  idle: { title: "idle conn, KiB", show: kibibytes },
  down50: { title: "50 ms down, Gbit/s", show: gigabits },
  besideP99at50: { title: "50 ms beside bulk p99, ms", show: plain },
  keyP50: { title: "key beside bulk, 50 Mbit/s, 50 ms: p50, ms", show: plain },
  keyP99: { title: "p99, ms ", show: plain },
  downCpu: { title: "CPU down, s/GiB", show: perGibibyte },
  upCpu: { title: "CPU up, s/GiB", show: perGibibyte },
  requestCpu: { title: "CPU, µs/request", show: micros },
  openCpu: { title: "CPU, µs/open", show: micros },
  manyRate: { title: "100,000 at c64, 1/s", show: (rate) => String(Math.round(rate)) },
  manyErrors: { title: "errors", show: String },
  crowd: { title: "idle at once", show: String },
  crowdIdle: { title: "each, KiB", show: kibibytes },
};

/** The table in Markdown; what is in brackets is the ratio to `base`. */
export function table(summaries: readonly Summary[], base: string): string {
  const reference = summaries.find(({ name }) => name === base)?.medians ?? {};
  const shown = figures.filter((figure) => summaries.some(({ medians }) => medians[figure] !== undefined));
  const hasCut = summaries.some(({ cut }) => cut !== undefined);
  const rows = [
    ["", ...shown.map((figure) => columns[figure].title), ...(hasCut ? ["cut 20 ×"] : [])],
    ...summaries.map(({ name, note, medians, cut }) => {
      if (note !== undefined) return [name, note];
      const cells = shown.map((figure) => {
        const value = medians[figure];
        if (value === undefined) return "–";
        const ratio = value / (reference[figure] ?? Number.NaN);
        const compared = name === base || !Number.isFinite(ratio) ? "" : ` (${ratio.toFixed(2)})`;
        return columns[figure].show(value) + compared;
      });
      return [name, ...cells, ...(hasCut ? [cut ?? "–"] : [])];
    }),
  ];
  const columnsShown = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columnsShown }, (_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0), 3),
  );
  const lines = rows.map((row) => `| ${widths.map((width, at) => (row[at] ?? "").padEnd(width)).join(" | ")} |`);
  lines.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return lines.join("\n");
}

/** Three significant digits, more before the point. */
function digits(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(value >= 1 ? 3 : 2)));
}
