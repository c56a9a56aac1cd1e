import { type Finding, Finding_Level } from "../gen/fairlead/console/v1/doctor_service_pb.ts";
import type { Verdict } from "./finding.ts";

/**
 * Whether the URL that peers get leads back to this agent, from what was found on the way. That it does not from here need not mean
 * that it does not from elsewhere: many networks do not lead out and in again. Pure.
 */
export function judgeOwnUrl(url: string, found: readonly Finding[]): Verdict {
  const evidence = [`link.url is ${withoutQuery(url)}`];
  const failed = found.find(({ level }) => level === Finding_Level.PROBLEM);
  if (!failed) return { level: "ok", check: "own-url", summary: "its own URL leads back to it", evidence };
  if (failed.check === "identity" && failed.evidence.some((line) => line.startsWith("fingerprint "))) {
    const summary = "its own URL leads to another agent";
    return {
      level: "problem",
      check: "own-url",
      summary,
      evidence,
      remedy: "Mend link.url, or the ingress that it leads to.",
    };
  }
  return {
    level: "warning",
    check: "own-url",
    summary: "its own URL does not lead back to it from here; peers may still reach it",
    evidence: [...evidence, failed.summary],
    remedy: "Look at it from where a peer is: `fairlead doctor --url URL` needs no agent.",
  };
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/, "");
}
