import { spanText, type Verdict } from "./finding.ts";

/** Certificates are backdated by an hour, so that a clock may be wrong by less than that before links fail by it. */
const harmfulMs = 3_600_000;
const noticeableMs = 30_000;

/** A clock that was compared with ours. */
export interface ComparedClock {
  /** Whose, as in "the peer's" or "that of nginx at west.example". */
  readonly whose: string;
  /** How far it is ahead of ours, in milliseconds; negative: behind. */
  readonly aheadMs: number;
  /** It may be wrong by so much, from how it was read. */
  readonly uncertainMs: number;
}

/** Pure. */
export function judgeClock({ whose, aheadMs, uncertainMs }: ComparedClock): Verdict {
  const off = Math.max(0, Math.abs(aheadMs) - uncertainMs);
  const text = `${whose} clock is ${spanText(aheadMs)} ${aheadMs > 0 ? "ahead of" : "behind"} ours`;
  const evidence = [`${text}, give or take ${spanText(uncertainMs)}`];
  const remedy = "Set both clocks by NTP; compare `date -u` on the two machines to see which one is wrong.";
  if (off >= harmfulMs) {
    const summary = `${text}: certificates are refused as not valid yet, or as expired`;
    return { level: "problem", check: "clock", summary, evidence, remedy };
  }
  if (off >= noticeableMs) {
    const summary = `${text}: links stand, but times in logs, grants and approvals do not agree`;
    return { level: "warning", check: "clock", summary, evidence, remedy };
  }
  return { level: "ok", check: "clock", summary: `${whose} clock and ours agree`, evidence };
}
