/**
 * Which decision of a person counts for which spec. A Workload has room for one decision, the latest; the one about what
 * runs has to outlive a decision about a change of it, since what runs by an approval stops when that ends, and what was
 * denied while it ran must not run on when the change is denied too. So it is set aside, in an annotation, by whoever writes
 * the next decision. Pure.
 */
import { isJsonObject } from "../../kube/object.ts";
import type { Workload } from "../../kube/resources.ts";
import { readTime } from "../../kube/time.ts";
import { annotations } from "./names.ts";

/** A person's word about the spec with this hash, as the rules want it. */
export interface CountedDecision {
  readonly hash: string;
  readonly verdict: "Approved" | "Denied";
  readonly message?: string;
  /** When it was made, milliseconds since 1970. */
  readonly at?: number;
  /** Until when it holds, milliseconds since 1970; for ever unless given. */
  readonly until?: number;
}

type Decided = Pick<Workload, "metadata" | "spec">;

/** The decision about the spec with this hash, if there was one. */
export function decisionAbout(workload: Decided, hash: string): CountedDecision | undefined {
  const latest = latestDecision(workload);
  if (latest?.hash === hash) return latest;
  const earlier = setAside(workload);
  return earlier?.hash === hash ? earlier : undefined;
}

/** When the approval ends by which the spec with this hash may run, milliseconds since 1970; undefined where it has none, or one for ever. */
export function endOfApproval(workload: Decided, hash: string): number | undefined {
  const decision = decisionAbout(workload, hash);
  return decision?.verdict === "Approved" ? decision.until : undefined;
}

/** Whether the approval by which this spec ran has ended. */
export function hasLapsed(decision: CountedDecision | undefined, now: number): boolean {
  return decision?.verdict === "Approved" && decision.until !== undefined && decision.until <= now;
}

/** What the annotation has to be when a decision about something else is written: the one about what runs, or nothing. */
export function asideFor(workload: Decided, runningHash: string | undefined, decided: string): string | null {
  const known = runningHash === undefined ? undefined : decisionAbout(workload, runningHash);
  return known === undefined || known.hash === decided ? null : JSON.stringify(known);
}

function latestDecision({ spec }: Decided): CountedDecision | undefined {
  const { hash, verdict, message, at, until } = spec.decision ?? {};
  if (hash === undefined || !isVerdict(verdict)) return undefined;
  return {
    hash,
    verdict,
    ...(message ? { message } : {}),
    ...startOf(at),
    ...endOf(until),
  };
}

function setAside({ metadata }: Decided): CountedDecision | undefined {
  const text = metadata.annotations?.[annotations.decisionAside];
  if (text === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    if (!isJsonObject(json)) return undefined;
    const { hash, verdict, message, at, until } = json;
    const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
    // Half a decision is none.
    if (typeof hash !== "string" || !isVerdict(verdict) || (until !== undefined && !isTime(until))) return undefined;
    return {
      hash,
      verdict,
      ...(typeof message === "string" ? { message } : {}),
      ...(isTime(at) ? { at } : {}),
      ...(isTime(until) ? { until } : {}),
    };
  } catch {
    return undefined;
  }
}

function isVerdict(value: unknown): value is CountedDecision["verdict"] {
  return value === "Approved" || value === "Denied";
}

function startOf(text: string | undefined): { at?: number } {
  const at = readTime(text ?? "");
  return at === undefined ? {} : { at };
}

/** An end that cannot be read has passed: an approval is never longer than its approver meant. */
function endOf(text: string | undefined): { until?: number } {
  return text ? { until: readTime(text) ?? 0 } : {};
}
