/** How findings look. */
import { type Finding, Finding_Level } from "../gen/fairlead/console/v1/doctor_service_pb.ts";
import type { Terminal } from "./context.ts";
import { type Format, hasColours, printList, type View } from "./output.ts";
import { formatTable, plain, type Tone } from "./table.ts";

const levels = new Map<Finding_Level, { name: string; tone: Tone }>([
  [Finding_Level.OK, { name: "ok", tone: "good" }],
  [Finding_Level.WARNING, { name: "warning", tone: "waiting" }],
  [Finding_Level.PROBLEM, { name: "problem", tone: "bad" }],
]);
const nameOf = ({ level }: Finding): string => levels.get(level)?.name ?? "unknown";

const view: View<Finding> = {
  name: ({ subject, check }) => `${subject}/${check}`,
  columns: [
    { head: "IS", cell: nameOf, tone: ({ level }) => levels.get(level)?.tone },
    { head: "ABOUT", cell: ({ subject }) => subject },
    { head: "CHECK", cell: ({ check }) => check },
    { head: "FINDING", cell: ({ summary }) => summary },
  ],
  json(finding) {
    const { subject, check, summary, evidence, remedy } = finding;
    return { level: nameOf(finding), subject, check, summary, evidence, ...(remedy && { remedy }) };
  },
  empty: "Nothing was looked at.",
};

export interface FindingPrinter {
  add(finding: Finding): Promise<void>;
  end(): Promise<void>;
  readonly problems: number;
  readonly warnings: number;
}

/** A table is printed as it comes, for looking takes a while; what is for programs, at the end and as one. */
export function createFindingPrinter(terminal: Terminal, format: Format): FindingPrinter {
  const found: Finding[] = [];
  // As wide as the longest words that usually come, so that rows which come one by one stand below one another.
  let widths: number[] | undefined = ["problem", "xxxxxxxx", "outer-tls", ""].map(({ length }) => length);
  const count = (wanted: Finding_Level): number => found.filter(({ level }) => level === wanted).length;
  return {
    async add(finding) {
      found.push(finding);
      if (format !== "table" && format !== "wide") return;
      const options = { wide: false, head: found.length === 1, colours: hasColours(terminal), widths };
      const table = formatTable(view.columns, [finding], options);
      widths = table.widths.with(-1, 0);
      const more = format === "wide" || finding.level !== Finding_Level.OK ? detailLines(finding) : [];
      await terminal.out([table.text, ...more, ""].join("\n"));
    },
    async end() {
      if (format !== "table" && format !== "wide") await printList(terminal, view, found, format);
    },
    get problems() {
      return count(Finding_Level.PROBLEM);
    },
    get warnings() {
      return count(Finding_Level.WARNING);
    },
  };
}

function detailLines({ evidence, remedy }: Finding): string[] {
  return [
    ...evidence.map((line) => `          seen: ${plain(line)}`),
    ...(remedy ? [`          try:  ${plain(remedy)}`] : []),
  ];
}
