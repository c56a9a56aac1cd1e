import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { type Journal, openJournal } from "../../src/standalone/journal.ts";
import {
  type Change,
  DamagedJournal,
  encodeChange,
  encodeJournal,
  readJournal,
} from "../../src/standalone/journal-line.ts";
import { createFaultyDisk } from "./faulty-file.ts";

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const quiet = { onTrouble: () => undefined };

async function put(journal: Journal, key: string, value?: string): Promise<void> {
  await journal.write(() => ({ key, value }));
}

/** What a journal file holds after each number of changes, and how long it then is. */
function story(changes: readonly Change[]): {
  content: Buffer;
  states: { values: Map<string, string>; bytes: number }[];
} {
  const values = new Map([["identity", "made first"]]);
  const parts = [encodeJournal(values, 7)];
  const states = [{ values: new Map(values), bytes: parts[0]?.length ?? 0 }];
  for (const [index, change] of changes.entries()) {
    parts.push(encodeChange(8 + index, change));
    if (change.value === undefined) values.delete(change.key);
    else values.set(change.key, change.value);
    states.push({ values: new Map(values), bytes: parts.reduce((sum, part) => sum + part.length, 0) });
  }
  return { content: Buffer.concat(parts), states };
}

const changes: readonly Change[] = [
  { key: "peer", value: "west\n{}" },
  { key: "peer", value: "west, renamed: ü" },
  { key: "invite", value: "1" },
  { key: "peer" },
  { key: "invite", value: "2" },
];

test("whatever byte a crash cuts a journal at, all is there that was written whole before it, and nothing by half", () => {
  const { content, states } = story(changes);
  const [first] = states;
  for (let cut = 0; cut <= content.length; cut += 1) {
    const left = content.subarray(0, cut);
    if (cut < (first?.bytes ?? 0)) {
      // What it begins with was on the disk before it had its name: this is no crash.
      assert.throws(() => readJournal(left), DamagedJournal, `cut at ${cut}`);
      continue;
    }
    const expected = states.findLast(({ bytes }) => bytes <= cut);
    const read = readJournal(left);
    assert.deepEqual(read.values, expected?.values, `cut at ${cut}`);
    assert.equal(read.bytes, expected?.bytes);
  }
});

test("what a crash left of the last line may be anything", () => {
  const { content, states } = story(changes.slice(0, 2));
  const whole = states.at(-1);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (rest, ended) => {
      const line = Buffer.from(rest.filter((byte) => byte !== 0x0a));
      const read = readJournal(Buffer.concat([content, line, Buffer.from(ended && line.length > 0 ? "\n" : "")]));
      assert.deepEqual(read.values, whole?.values);
      assert.equal(read.bytes, content.length);
    }),
    { numRuns: 300 },
  );
});

test("a journal in which a byte has changed is refused, unless it is in the last line: then that is missing and nothing else is wrong", () => {
  const { content, states } = story(changes);
  const lastLine = states.at(-2)?.bytes ?? 0;
  for (let at = 0; at < content.length; at += 1) {
    const changed = Buffer.from(content);
    changed.writeUInt8(changed.readUInt8(at) ^ 0x01, at);
    // Without its end, the line before the last one runs into it, and both are one that is not whole.
    const isLast = at >= lastLine - 1;
    if (!isLast) assert.throws(() => readJournal(changed), DamagedJournal, `byte ${at}`);
    else
      assert.ok(
        states.slice(-3, -1).some(({ values }) => sameAs(values, readJournal(changed).values)),
        `byte ${at}`,
      );
  }
});

function sameAs(a: Map<string, string>, b: Map<string, string>): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}

test("a change that is missing in the middle is noticed, and a journal of a later version is left to that", () => {
  const begin = encodeJournal(new Map(), 0);
  const line = (sequence: number): Buffer => encodeChange(sequence, { key: "a", value: String(sequence) });
  assert.throws(() => readJournal(Buffer.concat([begin, line(1), line(3)])), /missing/);
  assert.throws(() => readJournal(Buffer.concat([begin, line(1), line(1)])), DamagedJournal);
  assert.throws(() => readJournal(Buffer.alloc(0)), DamagedJournal);
});

test("what was written is there after a restart, with its number, for its owner alone", async (t) => {
  const path = join(await folder(t), "journal");
  const journal = await openJournal({ path, ...quiet });
  await Promise.all([put(journal, "a", "1"), put(journal, "b", "2"), put(journal, "a", "3")]);
  await put(journal, "b");
  await journal.close();
  await assert.rejects(put(journal, "c", "4"), /closed/);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const again = await openJournal({ path, ...quiet });
  t.after(() => again.close());
  assert.deepEqual([...again.values], [["a", "3"]]);
  assert.equal(again.sequence, 4);
});

test("a start after a crash takes away what was not written whole, and goes on behind what was", async (t) => {
  const path = join(await folder(t), "journal");
  const { content } = story(changes);
  await writeFile(path, content.subarray(0, content.length - 3));
  await writeFile(`${path}.new`, "left behind by a crash");
  const journal = await openJournal({ path, ...quiet });
  await put(journal, "after", "x");
  await journal.close();
  const read = readJournal(await readFile(path));
  assert.deepEqual(
    [...read.values],
    [
      ["identity", "made first"],
      ["invite", "1"],
      ["after", "x"],
    ],
  );
  assert.equal(read.sequence, 12);
});

test("a journal that cannot be read is never replaced by an empty one", async (t) => {
  const path = join(await folder(t), "journal");
  await writeFile(path, "");
  await assert.rejects(openJournal({ path, ...quiet }), /is damaged.*Restore it from a backup/);
  assert.equal((await readFile(path)).length, 0);
});

test("a full disk refuses what it has no room for, loses nothing else, and takes more when there is room", async (t) => {
  const path = join(await folder(t), "journal");
  const disk = createFaultyDisk();
  const journal = await openJournal({ path, ...quiet, openFile: disk.openFile });
  await put(journal, "kept", "before");
  for (let room = 0; room < 40; room += 1) {
    disk.room = room;
    await assert.rejects(put(journal, "large", "x".repeat(100)), /ENOSPC/);
    assert.deepEqual([...journal.values], [["kept", "before"]]);
    assert.deepEqual(readJournal(await readFile(path)).values, new Map([["kept", "before"]]), `room for ${room}`);
  }
  disk.room = Number.POSITIVE_INFINITY;
  await put(journal, "large", "fits");
  await journal.close();
  assert.deepEqual([...readJournal(await readFile(path)).values.keys()], ["kept", "large"]);
});

test("after a disk has failed to keep something, the next change goes into a file of which all is known", async (t) => {
  const path = join(await folder(t), "journal");
  const disk = createFaultyDisk();
  const journal = await openJournal({ path, ...quiet, openFile: disk.openFile });
  await put(journal, "kept", "before");
  disk.keeps = false;
  await assert.rejects(put(journal, "lost", "x"), /EIO/);
  await assert.rejects(put(journal, "lost", "y"), /EIO/);
  assert.deepEqual([...journal.values], [["kept", "before"]]);
  disk.keeps = true;
  await put(journal, "later", "z");
  await journal.close();
  assert.deepEqual(
    [...readJournal(await readFile(path)).values],
    [
      ["kept", "before"],
      ["later", "z"],
    ],
  );
});

test("a file is never much longer than what it holds, and one that cannot be replaced goes on growing", async (t) => {
  const path = join(await folder(t), "journal");
  const disk = createFaultyDisk();
  const troubles: unknown[] = [];
  let mayOpen = true;
  const journal = await openJournal({
    path,
    onTrouble: (error) => troubles.push(error),
    openFile: (at, flags) => (mayOpen ? disk.openFile(at, flags) : Promise.reject(new Error("no more files"))),
  });
  const large = "x".repeat(300_000);
  for (let round = 0; round < 12; round += 1) await put(journal, "large", `${round}${large}`);
  assert.ok(journal.bytes < 2 * 1024 * 1024, `${journal.bytes} bytes`);
  assert.equal((await stat(path)).size, journal.bytes);
  assert.deepEqual(troubles, []);
  mayOpen = false;
  for (let round = 0; round < 8; round += 1) await put(journal, "large", `${round}${large}`);
  assert.ok(troubles.length >= 1 && troubles.length <= 3, `tried ${troubles.length} times`);
  await journal.close();
  assert.deepEqual(await readdir(join(path, "..")), ["journal"]);
  assert.equal(readJournal(await readFile(path)).values.get("large"), `7${large}`);
});

test("more than can be kept in memory is refused, and less than before is not", async (t) => {
  const path = join(await folder(t), "journal");
  const journal = await openJournal({ path, ...quiet, mostBytes: 1_000 });
  t.after(() => journal.close());
  await put(journal, "a", "x".repeat(900));
  await assert.rejects(put(journal, "b", "x".repeat(200)), /cannot be kept/);
  await put(journal, "a", "x".repeat(100));
  await put(journal, "b", "x".repeat(200));
});
