/** What rules have to say about an app, as a table and in sentences. Pure. */
import type { AdmissionFinding } from "../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import { type Column, formatTable, plain } from "./table.ts";

/** Each rule on a row, with those of the values that rules compare, and its sentence below; empty when no rule spoke. */
export function findingTable(findings: readonly AdmissionFinding[]): string {
  if (findings.length === 0) return "";
  const columns: Column<AdmissionFinding>[] = [
    { head: "RULE", cell: ({ rule }) => rule ?? "" },
    { head: "FIELD", cell: ({ field }) => field ?? "" },
    { head: "ASKED", cell: ({ asked }) => asked ?? "" },
    { head: "ALLOWED", cell: ({ allowed }) => allowed ?? "" },
  ];
  const telling = columns.filter(({ cell }) => findings.some((finding) => cell(finding) !== ""));
  const sentences = findingSentences(findings);
  // The rules alone stand in the sentences too.
  if (telling.length === 1) return sentences.join("\n");
  return [formatTable(telling, findings, { wide: false, head: true }).text, ...sentences].join("\n");
}

/** A line for each rule, as in "images/denied: images like evil/** are denied here". */
export function findingSentences(findings: readonly AdmissionFinding[]): string[] {
  return findings.map(({ rule, message }) => `${plain(rule ?? "")}: ${plain(message ?? "")}`);
}
