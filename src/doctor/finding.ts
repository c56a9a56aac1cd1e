/** What is said of one thing that was looked at. */
import { create } from "@bufbuild/protobuf";
import { type Finding, Finding_Level, FindingSchema } from "../gen/fairlead/console/v1/doctor_service_pb.ts";

/** What was looked at; the same words as in doctor_service.proto. */
export type CheckName =
  | "dns"
  | "proxy"
  | "reach"
  | "outer-tls"
  | "upgrade"
  | "identity"
  | "clock"
  | "link"
  | "relay"
  | "cut-offs"
  | "buffers"
  | "version"
  | "own-url"
  | "images";

/** A judgement, before it is known what it is about. */
export interface Verdict {
  readonly level: "ok" | "warning" | "problem";
  readonly check: CheckName;
  readonly summary: string;
  readonly evidence?: readonly string[];
  readonly remedy?: string;
}

const levels = { ok: Finding_Level.OK, warning: Finding_Level.WARNING, problem: Finding_Level.PROBLEM } as const;

export function toFinding(subject: string, { level, check, summary, evidence = [], remedy = "" }: Verdict): Finding {
  return create(FindingSchema, { subject, level: levels[level], check, summary, evidence: [...evidence], remedy });
}

/** Makes a problem a warning. */
export function soften(finding: Finding): void {
  if (finding.level === Finding_Level.PROBLEM) finding.level = Finding_Level.WARNING;
}

/** A span of time in words: "340 ms", "12 s", "10 min", "3 h", "12 days". */
export function spanText(ms: number): string {
  const size = Math.abs(ms);
  if (size < 1_000) return `${Math.round(size)} ms`;
  if (size < 120_000) return `${Math.round(size / 1_000)} s`;
  if (size < 7_200_000) return `${Math.round(size / 60_000)} min`;
  if (size < 172_800_000) return `${Math.round(size / 3_600_000)} h`;
  return `${Math.round(size / 86_400_000)} days`;
}
