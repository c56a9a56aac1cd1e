/** What peers answer when they are asked whether they would run an app. Pure. */
import { toJson } from "@bufbuild/protobuf";
import type { PeerVerdict } from "../gen/fairlead/console/v1/app_service_pb.ts";
import { type AdmissionFinding, AdmissionFindingSchema } from "../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import { CliError, type ExitCode, exitCode } from "./errors.ts";
import { findingSentences } from "./findings.ts";
import type { View } from "./output.ts";
import { plain, type Tone } from "./table.ts";

/** One peer's answer about one app. */
export interface AskedVerdict {
  readonly app: { readonly namespace: string; readonly name: string };
  readonly verdict: PeerVerdict;
}

/** A row of the table: a rule that spoke, or that none did. */
export interface VerdictRow extends AskedVerdict {
  readonly finding?: AdmissionFinding;
}

const tones: Readonly<Record<string, Tone>> = { Admitted: "good", Held: "waiting", Unknown: "waiting" };

/** `several`: more than one app was asked about. */
export function verdictView(several: boolean): View<VerdictRow> {
  return {
    name: ({ verdict }) => `${verdict.peer}/${verdict.verdict.toLowerCase()}`,
    columns: [
      ...(several ? [{ head: "APP", cell: ({ app }: VerdictRow) => app.name }] : []),
      { head: "PEER", cell: ({ verdict }) => verdict.peer },
      {
        head: "VERDICT",
        cell: ({ verdict }) => verdict.verdict,
        tone: ({ verdict }) => tones[verdict.verdict] ?? "bad",
      },
      { head: "RULE", cell: ({ finding }) => finding?.rule ?? "" },
      { head: "FIELD", cell: ({ finding }) => finding?.field ?? "", wide: true },
      { head: "ASKED", cell: ({ finding }) => finding?.asked ?? "" },
      { head: "ALLOWED", cell: ({ finding }) => finding?.allowed ?? "" },
      { head: "MESSAGE", cell: ({ finding, verdict }) => finding?.message ?? verdict.message, wide: true },
    ],
    json: ({ app, verdict }) => ({
      app: `${app.namespace}/${app.name}`,
      peer: verdict.peer,
      verdict: verdict.verdict,
      message: verdict.message,
      findings: verdict.findings.map((finding) => toJson(AdmissionFindingSchema, finding)),
    }),
    empty: "There is no peer to ask. Pair with one: fairlead invite, fairlead join.",
  };
}

/** A row for each rule that spoke, and one for a peer at which none did. */
export function verdictRows(asked: readonly AskedVerdict[]): VerdictRow[] {
  return asked.flatMap((one) => {
    const { findings } = one.verdict;
    return findings.length === 0 ? [one] : findings.map((finding) => ({ ...one, finding }));
  });
}

/** As in "web: west would hold it for a person: the image is new there". */
function verdictSentence({ app, verdict }: AskedVerdict): string {
  const { peer, message } = verdict;
  const says = sentences[verdict.verdict] ?? "refuses it";
  return plain(`${app.name}: ${peer} ${[says, message].filter(Boolean).join(": ")}`);
}

const sentences: Readonly<Record<string, string>> = {
  Admitted: "would run it",
  Held: "would hold it for a person there",
  Denied: "would deny it",
  Invalid: "does not understand it",
  Unknown: "did not say",
};

/** The verdict in a sentence, and below it a line for each rule that spoke. */
export function verdictLines(asked: AskedVerdict): string[] {
  const { findings } = asked.verdict;
  if (findings.length === 0) return [verdictSentence(asked)];
  const says = verdictSentence({ ...asked, verdict: { ...asked.verdict, message: "" } });
  return [`${says}:`, ...findingSentences(findings).map((line) => `  ${line}`)];
}

/** Throws unless every peer that was asked would run it: by the worst answer, for scripts. */
export function failOnVerdicts(asked: readonly AskedVerdict[]): void {
  const bad = asked.filter(({ verdict }) => verdict.verdict !== "Admitted");
  const code = bad.map(({ verdict }) => codes[verdict.verdict] ?? exitCode.denied).sort(byWeight)[0];
  if (code === undefined) return;
  const counts = new Map<string, string[]>();
  for (const { app, verdict } of bad) {
    const what = words[verdict.verdict] ?? "denied";
    counts.set(what, [
      ...(counts.get(what) ?? []),
      asked.length === 1 ? verdict.peer : `${verdict.peer} (${app.name})`,
    ]);
  }
  const parts = [...counts].map(
    ([what, where]) => `${what} ${where.slice(0, 5).join(", ")}${where.length > 5 ? ", …" : ""}`,
  );
  throw new CliError(plain(parts.join("; ")), { code });
}

const words: Readonly<Record<string, string>> = {
  Held: "held at",
  Denied: "denied at",
  Invalid: "invalid at",
  Unknown: "no answer from",
};

const codes: Readonly<Record<string, ExitCode>> = { Held: exitCode.held, Unknown: exitCode.unavailable };

/** What is denied counts before what is held, and that before what nobody knows. */
const weights: readonly ExitCode[] = [exitCode.denied, exitCode.held, exitCode.unavailable];

function byWeight(a: ExitCode, b: ExitCode): number {
  return weights.indexOf(a) - weights.indexOf(b);
}
