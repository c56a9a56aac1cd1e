/** What a full ring has let go of is nobody's fault; what a ring with room lacks is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AuditRecord, formatRecord, sealEntry } from "../../src/audit/entry.ts";
import { ringPlaces, type StoredSegment } from "../../src/audit/store.ts";
import { verifyStored } from "../../src/audit/verify.ts";
import { noPrevious } from "../../src/base/audit-line.ts";

/** Two agents that wrote in turns, an entry of each in a segment; segments from `first` on. */
function ring(first: number, count: number): { stored: StoredSegment[]; written: AuditRecord[] } {
  const latest: (AuditRecord | undefined)[] = [undefined, undefined];
  const written: AuditRecord[] = [];
  const stored = Array.from({ length: first + count }, (_, index): StoredSegment => {
    const records = latest.map((before, agent) => {
      // The second agent goes on from the first entry of the first one.
      const after = before ?? (agent === 1 ? written[0] : undefined);
      const action = before ? "app.admit" : "agent.start";
      const place = {
        sequence: (after?.sequence ?? 0) + 1,
        at: index,
        instance: String(agent).repeat(32),
        previous: after?.hash ?? noPrevious,
      };
      const record = sealEntry({ action, actor: {}, verdict: "done" }, place);
      latest[agent] = record;
      if (agent === 0) written.push(record);
      return record;
    });
    const lines = records.map((record) => JSON.stringify(formatRecord(record)));
    return { place: index % ringPlaces, version: "1", segment: { index, lines } };
  });
  return { stored: stored.slice(first), written };
}

const hashes = (records: readonly AuditRecord[]): string[] => records.map(({ hash }) => hash);

test("a full ring begins where it begins, for each of two agents, and the one that looks misses nothing of its own", async () => {
  const { stored, written } = ring(4, ringPlaces);
  const report = await verifyStored(stored, { written: hashes(written), unwritten: [] });
  assert.deepEqual(report.problems, []);
  assert.equal(report.entries, 2 * ringPlaces);
});

test("a full ring may lack nothing in between, also not of the second agent", async () => {
  const { stored, written } = ring(4, ringPlaces);
  for (const agent of [0, 1]) {
    const holed = stored.map((one, at): StoredSegment => {
      const { index = 0, lines = [] } = one.segment ?? {};
      return at === 1 ? { ...one, segment: { index, lines: lines.toSpliced(agent, 1) } } : one;
    });
    const report = await verifyStored(holed, { written: hashes(written), unwritten: [] });
    assert.match(report.problems.map(({ message }) => message).join(), /is missing before entry/);
    assert.equal(/that this process has recorded/.test(report.problems[0]?.message ?? ""), agent === 0);
  }
});

test("a ring with room has its beginning", async () => {
  const { stored, written } = ring(0, ringPlaces - 1);
  const own = { written: hashes(written), unwritten: [] };
  assert.deepEqual((await verifyStored(stored, own)).problems, []);
  const report = await verifyStored(stored.slice(1), own);
  assert.match(report.problems[0]?.message ?? "", /^One entry that this process has recorded is not in storage/);
  assert.match(report.problems[1]?.message ?? "", /^segment 1, line 1: what it follows is missing before entry 2/);
});
