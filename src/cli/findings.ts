/** What rules have to say about an app, as a table and in sentences. Pure. */
import type { AdmissionFinding } from "../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import { formatTable, plain } from "./table.ts";

/** Each rule on a row, with the values that it compares, and its sentence below; empty when no rule spoke. */
export function findingTable(findings: readonly AdmissionFinding[]): string {
  if (findings.length === 0) return "";
  const columns = [
    { head: "RULE", cell: ({ rule }: AdmissionFinding) => rule ?? "" },
    { head: "FIELD", cell: ({ field }: AdmissionFinding) => field ?? "" },
    { head: "ASKED", cell: ({ asked }: AdmissionFinding) => asked ?? "" },
    { head: "ALLOWED", cell: ({ allowed }: AdmissionFinding) => allowed ?? "" },
  ];
  const table = formatTable(columns, findings, { wide: false, head: true }).text;
  return [table, ...findings.map(({ rule, message }) => `${plain(rule ?? "")}: ${plain(message ?? "")}`)].join("\n");
}
