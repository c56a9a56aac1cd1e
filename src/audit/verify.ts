/** Whether what is stored is what was written. Reads storage anew, since what is in memory proves nothing about it. */
import { setImmediate as turn } from "node:timers/promises";
import { type ChainProblem, type ChainReport, ChainVerifier } from "../base/audit-chain.ts";
import { inOrder, type StoredSegment } from "./store.ts";

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
  const verifier = new ChainVerifier({ strict: true, border: Math.max(1, segments[0]?.lines.length ?? 0) });
  for (const { index, lines } of segments) {
    for (const [at, line] of lines.entries()) verifier.add(line, `segment ${index}, line ${at + 1}`);
    await turn();
  }
  const stolen = ownMissing(verifier, own.written);
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

/** The oldest of what this process wrote may have been pushed out; behind the first that is there nothing may be missing. */
function ownMissing(verifier: ChainVerifier, written: readonly string[]): ChainProblem[] {
  const first = written.findIndex((hash) => verifier.has(hash));
  const expected = first === -1 ? written : written.slice(first);
  const count = expected.filter((hash) => !verifier.has(hash)).length;
  if (count === 0) return [];
  const message = `${count} ${count === 1 ? "entry" : "entries"} that this process has recorded ${count === 1 ? "is" : "are"} not in storage any more.`;
  return [{ kind: "missing", where: "storage", message }];
}
