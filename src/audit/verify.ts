/** Whether what is stored is what was written. Reads storage anew, since what is in memory proves nothing about it. */
import { setImmediate as turn } from "node:timers/promises";
import { type ChainProblem, type ChainReport, ChainVerifier } from "../base/audit-chain.ts";
import { inOrder, ringPlaces, type StoredSegment } from "./store.ts";

/** What this process knows that storage has to hold. */
export interface OwnEntries {
  /** The hashes of what it has written, oldest first, as they were before storage was read. */
  readonly written: readonly string[];
  /** Lines that were not written by then, oldest first; they belong behind what is stored. */
  readonly unwritten: readonly string[];
}

/** Gives way to other work between segments, since ten thousand hashes take a while. */
export async function verifyStored(stored: readonly StoredSegment[], own: OwnEntries): Promise<ChainReport> {
  const segments = inOrder(stored);
  // Only a full ring has let go of anything.
  const isFull = stored.length >= ringPlaces;
  const border = isFull ? (segments[0]?.lines.length ?? 0) : 0;
  const verifier = new ChainVerifier({ strict: true, border });
  for (const { index, lines } of segments) {
    for (const [at, line] of lines.entries()) verifier.add(line, `segment ${index}, line ${at + 1}`);
    await turn();
  }
  const stolen = ownMissing(verifier, own.written, isFull);
  // What was written between the two looks is in both.
  const rest = new Set(segments.at(-1)?.lines);
  for (const line of own.unwritten) if (!rest.has(line)) verifier.add(line, "not stored yet");
  const report = verifier.report();
  const problems = [...stored.flatMap(unreadable), ...stolen, ...report.problems];
  return { ...report, problems, intact: problems.length === 0 };
}

function unreadable({ place, problem }: StoredSegment): ChainProblem[] {
  if (problem === undefined) return [];
  return [{ kind: "unreadable", where: `place ${place}`, message: `${problem}. What it held is in the log alone.` }];
}

/** Behind the first of what this process wrote nothing may be missing; what was before it may have been pushed out of a full ring. */
function ownMissing(verifier: ChainVerifier, written: readonly string[], isFull: boolean): ChainProblem[] {
  const first = isFull ? written.findIndex((hash) => verifier.has(hash)) : 0;
  const missing = written.slice(Math.max(0, first)).filter((hash) => !verifier.has(hash)).length;
  if (missing === 0) return [];
  const entries =
    missing === 1
      ? "One entry that this process has recorded is"
      : `${missing} entries that this process has recorded are`;
  return [{ kind: "missing", where: "storage", message: `${entries} not in storage any more.` }];
}
