/** What is said of an admission: to the operator in the Workload's status, and to the origin. Pure. */
import { create } from "@bufbuild/protobuf";
import { type Admission, AdmissionSchema } from "../../gen/fairlead/resources/v1alpha1/admission_pb.ts";
import { timeText } from "../../kube/time.ts";
import type { Finding } from "../../policy/admission.ts";
import type { Finding as ConditionFinding } from "../conditions.ts";
import type { Standing } from "./standing.ts";

/** A phase with its reason. */
export interface Word {
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
}

/** What admission.proto lets a status name at most. */
const mostFindings = 64;

/** Says how the admission is, when that is more important than how the pods are; undefined for an app that simply runs. */
export function admissionWord(standing: Standing): Word | undefined {
  const { verdict, isStopped } = standing;
  if (verdict.decision === "admit") return undefined;
  if (runsOnAlthough(standing)) return undefined;
  const rest = whatRuns(standing);
  if (verdict.decision === "hold") {
    return {
      phase: "Held",
      reason: "Held",
      message: `It waits for a person here: ${sentence(verdict.findings)}${rest}`,
    };
  }
  const isViolation = isStopped && !isDeniedByPerson(standing) && standing.isSame;
  return {
    phase: "Denied",
    reason: isViolation ? "Violates" : "Denied",
    message: `${sentence(verdict.findings)}${rest}`,
  };
}

/** `before` is what was said last; of the same wish, the time of an unchanged verdict stays. */
export function admissionOf(
  standing: Standing,
  before: { admission: Admission | undefined; isSameWish: boolean },
  now: number,
): Admission {
  const { verdict, decision } = standing;
  const word = verdictWord(standing);
  const isUnchanged = before.isSameWish && before.admission?.verdict === word;
  // Until a bounded approval ends; other moments at which the rules will answer otherwise are no promise to anybody.
  const until = verdict.decision === "admit" && decision?.verdict === "Approved" ? decision.until : undefined;
  const message = verdict.message ?? "";
  return create(AdmissionSchema, {
    verdict: word,
    decidedAt: (isUnchanged ? before.admission?.decidedAt : undefined) ?? timeText(now),
    reasons: verdict.findings.slice(0, mostFindings).map((finding) => finding.message),
    findings: verdict.findings.slice(0, mostFindings).map((finding) => ({ ...finding })),
    ...(message ? { message } : {}),
    ...(until === undefined ? {} : { until: timeText(until) }),
  });
}

export function verdictWord(standing: Standing): "Admitted" | "Held" | "Denied" {
  if (standing.verdict.decision === "admit" || runsOnAlthough(standing)) return "Admitted";
  return standing.verdict.decision === "hold" ? "Held" : "Denied";
}

/** Whether what was admitted is still within the rules; nothing while nothing was admitted. */
export function conformity({ admitted, isStopped, violations }: Standing): ConditionFinding[] {
  if (!admitted) return [];
  if (violations.length === 0) return [{ type: "Conforms", status: "True", reason: "Conforms", message: "" }];
  return [{ type: "Conforms", status: "False", reason: isStopped ? stopped : "RunsOn", message: sentence(violations) }];
}

/** The reason in the condition Conforms of what was stopped, by which the next start of the agent knows it. */
export const stopped = "Stopped";

/** Admitted once and against the rules now, and the policy says that it goes on. */
function runsOnAlthough({ isSame, isStopped, admitted }: Standing): boolean {
  return isSame && admitted !== undefined && !isStopped;
}

function isDeniedByPerson({ decision }: Standing): boolean {
  return decision?.verdict === "Denied";
}

/** What becomes of what was admitted before, while something else is asked for. */
function whatRuns({ admitted, isSame, isStopped, violations }: Standing): string {
  if (!admitted) return "";
  if (!isStopped) return " What ran before runs on.";
  return isSame ? " What ran is stopped." : ` What ran before is stopped: ${sentence(violations)}`;
}

export function sentence(findings: readonly Finding[]): string {
  return `${findings.map(({ message }) => message).join("; ")}.`;
}
