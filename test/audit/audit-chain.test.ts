/** What a chain shows: whoever alters, removes, moves, inserts or doubles an entry is found, and told by its number. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AuditEntry, type AuditRecord, formatRecord, sealEntry } from "../../src/audit/entry.ts";
import { type ChainReport, ChainVerifier, verifyAuditLines } from "../../src/base/audit-chain.ts";
import { hashFields, noPrevious } from "../../src/base/audit-line.ts";

const asked: AuditEntry = {
  action: "app.admit",
  actor: { peer: "berlin", fingerprint: "ab".repeat(32) },
  target: "shop/web",
  verdict: "denied",
  rule: "images/allowed",
  message: 'The image "evil" is not among those that "berlin" may run: ünïcode, too.',
  correlation: "wish:u-1/4",
};

/** So many entries of one process, behind `after`. */
function chain(count: number, after?: AuditRecord, instance = "a".repeat(32)): AuditRecord[] {
  const records: AuditRecord[] = [];
  for (let i = 0; i < count; i += 1) {
    const before = records.at(-1) ?? after;
    const sequence = (before?.sequence ?? 0) + 1;
    const entry = i === 0 ? { action: "agent.start", actor: {}, verdict: "done" as const } : asked;
    const at = Date.UTC(2026, 10, 21) + sequence;
    records.push(sealEntry(entry, { sequence, at, instance, previous: before?.hash ?? noPrevious }));
  }
  return records;
}

const linesOf = (records: readonly AuditRecord[]): string[] =>
  records.map((record) => JSON.stringify(formatRecord(record)));

function kindsOf(report: ChainReport): string[] {
  return report.problems.map(({ kind }) => kind);
}

test("what was written is intact, also from its middle on, and among other lines of the log", async () => {
  const lines = linesOf(chain(20));
  const whole = await verifyAuditLines(["not JSON", '{"msg":"link is up"}', ...lines, "{", ""]);
  assert.deepEqual(whole.problems, []);
  assert.deepEqual([whole.intact, whole.entries, whole.first, whole.last], [true, 20, 1, 20]);
  assert.equal(whole.head, chain(20).at(-1)?.hash);
  const tail = await verifyAuditLines(lines.slice(7));
  assert.deepEqual([tail.intact, tail.entries, tail.first], [true, 13, 8]);
  assert.deepEqual(await verifyAuditLines([]), { intact: true, entries: 0, problems: [], notes: [] });
});

test("what a log writes around an entry, and what a collector puts before the line, is no part of it", async () => {
  const lines = chain(3).map((record) => {
    const around = {
      level: "info",
      time: "2026-11-21T00:00:00.000Z",
      audit: true,
      ...formatRecord(record),
      msg: "audit",
    };
    return `2026-11-21T00:00:00.1Z stderr F ${JSON.stringify(around)}`;
  });
  assert.equal((await verifyAuditLines(lines)).entries, 3);
  assert.deepEqual((await verifyAuditLines(lines)).problems, []);
});

test("an altered entry is named", async () => {
  const lines = linesOf(chain(5));
  lines[2] = lines[2]?.replace("denied", "allowed") ?? "";
  const report = await verifyAuditLines(lines);
  assert.deepEqual(report.problems, [
    { kind: "altered", where: "line 3", sequence: 3, message: "line 3: entry 3 is not as it was written." },
  ]);
});

test("an altered entry whose hash was made anew is given away by the next one", async () => {
  const records = chain(5);
  const [third] = records.slice(2, 3).map((record) => formatRecord({ ...record, verdict: "allowed" }));
  const forged = JSON.stringify({ ...third, hash: hashFields(third ?? {}) });
  const report = await verifyAuditLines(linesOf(records).with(2, forged));
  assert.deepEqual(
    report.problems.map(({ message }) => message),
    ["line 4: entry 4 does not follow entry 3 as that one is now."],
  );
});

test("a missing entry is named, and so are several", async () => {
  const lines = linesOf(chain(9));
  const one = await verifyAuditLines(lines.toSpliced(3, 1));
  assert.deepEqual(
    one.problems.map(({ kind, message }) => [kind, message]),
    [["missing", "line 4: entry 4 is missing before entry 5."]],
  );
  const more = await verifyAuditLines(lines.toSpliced(3, 4));
  assert.deepEqual(
    more.problems.map(({ message }) => message),
    ["line 4: entries 4 to 7 are missing before entry 8."],
  );
});

test("an entry that stands twice, one that was moved and one that was put between are named", async () => {
  const records = chain(6);
  const lines = linesOf(records);
  const doubled = await verifyAuditLines([...lines, lines[2] ?? ""]);
  assert.match(doubled.problems[0]?.message ?? "", /^line 7: entry 3 stands there again; it is at line 3 already\.$/);
  const moved = await verifyAuditLines(lines.with(2, lines[3] ?? "").with(3, lines[2] ?? ""));
  assert.deepEqual(
    moved.problems.map(({ message }) => message),
    ["line 3: entry 4 stands before entry 3 at line 4, which it follows."],
  );
  const { instance, hash } = records[2] ?? assert.fail();
  const forged = sealEntry(asked, { sequence: 4, at: 0, instance, previous: hash });
  const inserted = await verifyAuditLines(lines.toSpliced(3, 0, ...linesOf([forged])));
  assert.deepEqual(kindsOf(inserted), ["inserted"]);
  const stranger = sealEntry(asked, { sequence: 4, at: 0, instance: "c".repeat(32), previous: hash });
  assert.deepEqual(kindsOf(await verifyAuditLines(lines.toSpliced(3, 0, ...linesOf([stranger])))), ["inserted"]);
});

test("an entry with a hash of its own that does not continue the numbers, or its process, is named", async () => {
  const records = chain(4);
  const { hash } = records[3] ?? assert.fail();
  const instance = "a".repeat(32);
  const leap = sealEntry(asked, { sequence: 9, at: 0, instance, previous: hash });
  const leapt = await verifyAuditLines(linesOf([...records, leap]));
  assert.deepEqual(
    leapt.problems.map(({ message }) => message),
    ["line 5: entry 9 follows entry 4, and its number does not."],
  );
  const other = chain(2, records[3], "b".repeat(32));
  const place = { sequence: 7, at: 0, instance, previous: other[1]?.hash ?? "" };
  const again = sealEntry({ action: "agent.start", actor: {}, verdict: "done" }, place);
  assert.deepEqual(kindsOf(await verifyAuditLines(linesOf([...records, ...other, again]))), ["inserted"]);
});

test("a name that stands twice in a line, of which people read the first and programs the last, is no entry", async () => {
  const lines = linesOf(chain(3));
  lines[1] = lines[1]?.replace("{", '{"verdict":"allowed",') ?? "";
  assert.deepEqual(kindsOf(await verifyAuditLines(lines)), ["unreadable", "missing"]);
  const reformatted = linesOf(chain(3)).map((line) => line.replaceAll('":', '": ').replaceAll(',"', ', "'));
  assert.deepEqual(kindsOf(await verifyAuditLines(reformatted)), []);
});

test("entries of the log that a crash kept from storage are told, and are no forgery", async () => {
  const before = chain(10);
  const stored = before[6] ?? assert.fail();
  const log = linesOf([...before, ...chain(4, stored, "b".repeat(32))]);
  const report = await verifyAuditLines(log);
  assert.deepEqual(report.problems, []);
  assert.deepEqual(report.notes, [
    "3 entries after entry 7 were not in storage when the process bbbbbbbb began with entry 8: the process before it was killed, or two ran at once.",
  ]);
  const storage = await verifyAuditLines(linesOf([...before.slice(0, 7), ...chain(4, stored, "b".repeat(32))]));
  assert.deepEqual([storage.problems, storage.notes], [[], []]);
});

test("a chain that begins anew is told: with the reason when storage could not be read, else as something missing", async () => {
  const before = chain(3);
  const at = Date.UTC(2026, 10, 22);
  const place = { sequence: 1, at, instance: "b".repeat(32), previous: noPrevious };
  const restart = sealEntry({ action: "audit.restart", actor: {}, verdict: "failed" }, place);
  const report = await verifyAuditLines(linesOf([...before, restart]));
  assert.deepEqual(report.problems, []);
  assert.match(report.notes[0] ?? "", /begun anew at 2026-11-22T00:00:00.000Z, because storage could not be read/);
  const silent = await verifyAuditLines(linesOf([...before, ...chain(2, undefined, "b".repeat(32))]));
  assert.deepEqual(kindsOf(silent), ["missing"]);
});

test("entries of a version that did not chain are counted at the beginning, and are unreadable after that", async () => {
  const old = JSON.stringify({
    schema: "fairlead.audit/v1",
    sequence: 1,
    at: "",
    action: "peer.join",
    verdict: "done",
  });
  const report = await verifyAuditLines([old, old, ...linesOf(chain(2))]);
  assert.deepEqual([report.intact, report.entries], [true, 2]);
  assert.match(report.notes[0] ?? "", /^2 entries are of a version that did not chain them/);
  assert.deepEqual(kindsOf(await verifyAuditLines([...linesOf(chain(2)), old])), ["unreadable"]);
});

test("in storage the first segment may lack what was pushed out of each process, and later ones nothing", () => {
  const [a, b] = [chain(6), chain(6, undefined, "b".repeat(32))];
  // Two agents wrote in turns, and the oldest of both is not kept any more.
  const [a3, a4, a5] = linesOf(a).slice(3);
  const [b3, b4, b5] = linesOf(b).slice(3);
  const verify = (lines: (string | undefined)[], border: number): ChainReport => {
    const verifier = new ChainVerifier({ strict: true, border });
    for (const [index, line] of lines.entries()) verifier.add(line ?? "", `line ${index + 1}`);
    return verifier.report();
  };
  assert.deepEqual(kindsOf(verify([a3, b3, a4, b4, a5, b5], 3)), []);
  assert.deepEqual(kindsOf(verify([a3, a4, b3, b4, a5, b5], 2)), ["missing"]);
  assert.deepEqual(kindsOf(verify([a3, "what is this", a4], 3)), ["unreadable"]);
});

test("any single edit is found", async () => {
  const records = chain(8);
  const honest = linesOf(records);
  const names = Object.keys(formatRecord(records[1] ?? assert.fail()));
  const inside = fc.integer({ min: 1, max: honest.length - 2 });
  const edit = fc.oneof(
    fc.tuple(inside, fc.constantFrom(...names), fc.jsonValue()).map(([at, name, value]) => {
      const fields: Record<string, unknown> = JSON.parse(honest[at] ?? "");
      return JSON.stringify(fields[name]) === JSON.stringify(value)
        ? undefined
        : honest.with(at, JSON.stringify({ ...fields, [name]: value }));
    }),
    fc.tuple(inside, fc.string({ minLength: 1 }), fc.jsonValue()).map(([at, name, value]) => {
      const fields: Record<string, unknown> = JSON.parse(honest[at] ?? "");
      if (Object.hasOwn(fields, name) || ["level", "time", "msg", "audit", "__proto__"].includes(name))
        return undefined;
      return honest.with(at, JSON.stringify({ ...fields, [name]: value }));
    }),
    fc.tuple(inside, fc.constantFrom(...names)).map(([at, name]) => {
      const fields: Record<string, unknown> = JSON.parse(honest[at] ?? "");
      return honest.with(at, JSON.stringify({ ...fields, [name]: undefined }));
    }),
    inside.map((at) => honest.toSpliced(at, 1)),
    fc.tuple(inside, inside).map(([at, to]) => {
      if (at === to) return undefined;
      return honest.toSpliced(at, 1).toSpliced(to, 0, honest[at] ?? "");
    }),
    fc.tuple(inside, inside).map(([at, to]) => honest.toSpliced(to, 0, honest[at] ?? "")),
    fc.tuple(inside, inside, fc.string()).map(([at, to, message]) => {
      const { sequence, instance, hash } = records[to - 1] ?? assert.fail();
      const forged = sealEntry({ ...asked, message }, { sequence: sequence + 1, at: 0, instance, previous: hash });
      return honest.toSpliced(at, 0, ...linesOf([forged]));
    }),
    fc
      .tuple(inside, fc.nat(honest[1]?.length ?? 0), fc.string({ minLength: 1, maxLength: 3 }))
      .map(([at, from, text]) => {
        const line = honest[at] ?? "";
        const broken = line.slice(0, from) + text + line.slice(from + text.length);
        return isSame(broken, line) ? undefined : honest.with(at, broken);
      }),
  );
  await fc.assert(
    fc.asyncProperty(edit, async (lines) => {
      fc.pre(lines !== undefined);
      const report = await verifyAuditLines(lines ?? []);
      assert.equal(report.intact, false, lines?.join("\n"));
      assert.ok(report.problems.every(({ message }) => message.startsWith("line ")));
    }),
    { numRuns: 500 },
  );
});

/** Whether two texts say the same in JSON. */
function isSame(a: string, b: string): boolean {
  try {
    return JSON.stringify(JSON.parse(a)) === b;
  } catch {
    return false;
  }
}

test("what no chain shows is told by the hash of the last entry, noted elsewhere", async () => {
  const lines = linesOf(chain(8));
  const noted = (await verifyAuditLines(lines)).head;
  const cut = await verifyAuditLines(lines.slice(0, 5));
  assert.equal(cut.intact, true);
  assert.notEqual(cut.head, noted);
});
