/** What is stored outlives the process, survives an API that fails, and is never written over unread. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type AuditEntry, formatRecord } from "../../src/audit/entry.ts";
import { openAuditLog, type StoredAuditLog } from "../../src/audit/open-audit-log.ts";
import { extendSegment, ringPlaces, segmentEntries } from "../../src/audit/store.ts";
import { verifyAuditLines } from "../../src/base/audit-chain.ts";
import type { Log } from "../../src/base/log.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";

const asked: AuditEntry = { action: "app.admit", actor: { peer: "berlin" }, target: "shop/web", verdict: "allowed" };

interface World {
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  /** Of all processes, as one file. */
  readonly lines: string[];
  open(instance: string, keep?: number): Promise<StoredAuditLog>;
  said(msg: RegExp): Record<string, unknown>[];
}

function createWorld(): World {
  const clock = createFakeClock();
  const store = createMemoryStore();
  const lines: string[] = [];
  const log: Log = createLog({ level: "info", write: (line) => lines.push(line) });
  return {
    clock,
    store,
    lines,
    async open(instance, keep) {
      const deps = {
        store,
        clock,
        log,
        instance,
        version: "1.2.3",
        random: () => 0.9,
        ...(keep !== undefined && { keep }),
      };
      let opened: StoredAuditLog | undefined;
      const opening = openAuditLog(deps, AbortSignal.timeout(60_000)).then((audit) => {
        opened = audit;
        return audit;
      });
      while (!opened) await clock.advance(50);
      return opening;
    },
    said: (msg) => lines.map((line) => JSON.parse(line)).filter((line) => msg.test(line.msg)),
  };
}

const fail = (): never => {
  throw new Error("the API server is away");
};

function record(audit: StoredAuditLog, count: number): void {
  for (let i = 0; i < count; i += 1) audit.record({ ...asked, message: `number ${i}` });
}

const sequences = (audit: StoredAuditLog): number[] => audit.list().map(({ sequence }) => sequence);
const verify = (audit: StoredAuditLog) => audit.verify(AbortSignal.timeout(60_000));

async function close(audit: StoredAuditLog, clock: FakeClock): Promise<void> {
  const closing = audit.close();
  await clock.advance(0);
  await closing;
}

suite("over restarts", () => {
  test("the chain, its numbers and its entries go on in the next process", async () => {
    const { clock, store, lines, open } = createWorld();
    const first = await open("a".repeat(32));
    record(first, 3);
    await close(first, clock);
    const second = await open("b".repeat(32));
    record(second, 1);
    assert.deepEqual(sequences(second), [1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(
      second.list().map(({ action }) => action),
      ["agent.start", "app.admit", "app.admit", "app.admit", "agent.stop", "agent.start", "app.admit"],
    );
    assert.equal(second.list()[5]?.previous, second.list()[4]?.hash);
    assert.equal(second.list()[5]?.message, "Version 1.2.3. Stored are 5 entries as they were written.");
    await close(second, clock);
    assert.equal(store.lines().length, 8);
    for (const report of [await verify(second), await verifyAuditLines(store.lines()), await verifyAuditLines(lines)]) {
      assert.deepEqual([report.intact, report.entries, report.notes], [true, 8, []]);
    }
    assert.equal(clock.timers, 0);
  });

  test("what a crash kept from storage is in the log, and the next process goes on from what is stored", async () => {
    const { clock, store, lines, open } = createWorld();
    const first = await open("a".repeat(32));
    record(first, 2);
    await clock.advance(2_000);
    record(first, 4);
    // It is killed here: nobody closes it, and its timers never fire again.
    const stored = store.lines();
    assert.equal(stored.length, 3);
    const next = await createWorldOn(store, lines, "b".repeat(32));
    record(next.audit, 1);
    await next.clock.advance(2_000);
    assert.deepEqual((await verify(next.audit)).problems, []);
    const report = await verifyAuditLines(lines);
    assert.deepEqual(report.problems, []);
    assert.match(report.notes.join(), /^4 entries after entry 3 were not in storage when the process bbbbbbbb began/);
  });

  test("of more entries than there is room for the latest 10,000 are there, in memory and in storage", async () => {
    const { clock, store, open } = createWorld();
    const first = await open("a".repeat(32));
    for (let i = 0; i < 26; i += 1) {
      record(first, segmentEntries);
      await clock.advance(2_000);
    }
    assert.equal(store.places.size, ringPlaces);
    assert.equal(store.calls.read, 1, "who is alone reads once");
    assert.ok(store.lines().length >= 10_000);
    await close(first, clock);
    const second = await open("b".repeat(32));
    const kept = sequences(second);
    assert.equal(kept.length, 10_000);
    assert.deepEqual([kept[0], kept.at(-1)], [13_003 - 9_999, 13_003]);
    const report = await verify(second);
    assert.deepEqual([report.problems, report.notes], [[], []]);
    assert.equal(report.last, 13_003);
  });
});

suite("an API server that fails", () => {
  test("is waited for: entries are kept, the age of the oldest is told, the log says it once, and then all is written", async () => {
    const { clock, store, open, said } = createWorld();
    const audit = await open("a".repeat(32));
    await clock.advance(2_000);
    assert.equal(audit.oldestUnwrittenMs(), 0);
    store.before = fail;
    record(audit, 10);
    await clock.advance(300_000);
    assert.equal(audit.oldestUnwrittenMs(), 300_000);
    assert.equal(said(/cannot be stored/).length, 1);
    assert.ok(store.calls.write < 20, `${store.calls.write} attempts`);
    store.before = () => undefined;
    await clock.advance(60_000);
    assert.equal(audit.oldestUnwrittenMs(), 0);
    assert.equal(store.lines().length, 11);
    assert.equal(said(/is stored again/).length, 1);
    assert.deepEqual((await verify(audit)).problems, []);
    store.before = fail;
    record(audit, 1);
    await clock.advance(2_000);
    store.before = () => undefined;
    await clock.advance(2_000);
    assert.equal(audit.oldestUnwrittenMs(), 0, "another failure is waited out from the beginning");
  });

  test("never makes an entry count twice, when it was written and the answer was lost", async () => {
    const { clock, store, open } = createWorld();
    const audit = await open("a".repeat(32));
    record(audit, 3);
    let lost = 0;
    store.after = (call) => {
      if (call === "write" && lost++ < 2) fail();
    };
    await clock.advance(20_000);
    record(audit, 3);
    await clock.advance(20_000);
    assert.equal(store.lines().length, 7);
    assert.equal(new Set(store.lines()).size, 7);
    assert.equal(audit.oldestUnwrittenMs(), 0);
    assert.deepEqual((await verify(audit)).problems, []);
  });

  test("for longer than there is room makes the oldest give way, and the log says so once", async () => {
    const { clock, store, open, said } = createWorld();
    const audit = await open("a".repeat(32));
    await clock.advance(2_000);
    store.before = fail;
    record(audit, 10_500);
    assert.equal(said(/in this log alone/).length, 1);
    store.before = () => undefined;
    await clock.advance(120_000);
    assert.equal(audit.oldestUnwrittenMs(), 0);
    const [problem, ...more] = (await verify(audit)).problems;
    assert.equal(more.length, 0);
    assert.match(problem?.message ?? "", /entries 2 to 501 are missing before entry 502/);
  });

  test("does not hold the agent's end up for more than five seconds", async () => {
    const { clock, store, open, said } = createWorld();
    const audit = await open("a".repeat(32));
    store.before = fail;
    const closing = audit.close();
    await clock.advance(5_000);
    await closing;
    assert.equal(said(/is in this log and not in storage/)[0]?.entries, 2);
    record(audit, 1);
    assert.equal(clock.timers, 0);
  });
});

suite("One object, one writer, one version", () => {
  test("a read that fails at the start is tried again before the chain begins anew", async () => {
    const { clock, store, open } = createWorld();
    const first = await open("a".repeat(32));
    await close(first, clock);
    let failures = 0;
    store.before = (call) => (call === "read" && failures++ < 2 ? fail() : undefined);
    const second = await open("b".repeat(32));
    assert.deepEqual(sequences(second), [1, 2, 3]);
    assert.equal(failures, 3);
  });

  test("a failed read never replaces what is there: the chain begins anew, says so, and joins what is stored later", async () => {
    const { clock, store, lines, open, said } = createWorld();
    const first = await open("a".repeat(32));
    record(first, 3);
    await close(first, clock);
    const stored = store.lines();
    store.before = (call) => (call === "read" ? fail() : undefined);
    const second = await open("b".repeat(32));
    record(second, 2);
    await clock.advance(100_000);
    assert.deepEqual(store.lines(), stored, "nothing was written over what was not read");
    assert.equal(said(/cannot be read/).length, 1);
    const [restart, start] = second.list();
    assert.deepEqual([restart?.action, restart?.verdict, restart?.sequence], ["audit.restart", "failed", 1]);
    assert.match(restart?.message ?? "", /What is stored could not be read: the API server is away/);
    assert.deepEqual([start?.action, start?.previous], ["agent.start", restart?.hash]);
    store.before = () => undefined;
    await clock.advance(61_000);
    assert.deepEqual(store.lines().slice(0, 5), stored);
    assert.equal(store.lines().length, 9);
    assert.deepEqual(sequences(second), [1, 2, 3, 4, 5, 1, 2, 3, 4], "the older ones are shown too");
    for (const report of [await verify(second), await verifyAuditLines(lines)]) {
      assert.deepEqual(report.problems, []);
      assert.match(report.notes.join(), /begun anew .* because storage could not be read/);
    }
    await close(second, clock);
    const third = await open("c".repeat(32));
    assert.deepEqual(sequences(third).slice(-3), [4, 5, 6]);
  });

  test("what could not be read is read before anything is written, whatever of it is missing", async () => {
    const { clock, store, open } = createWorld();
    const first = await open("a".repeat(32));
    record(first, segmentEntries);
    await close(first, clock);
    store.places.delete(0);
    store.before = (call) => (call === "read" ? fail() : undefined);
    const second = await open("b".repeat(32));
    await clock.advance(60_000);
    assert.deepEqual([...store.places.keys()], [1]);
    store.before = () => undefined;
    await clock.advance(61_000);
    assert.deepEqual([...store.places.keys()], [1]);
    assert.equal(store.lines().length, 4);
    assert.equal(second.oldestUnwrittenMs(), 0);
  });

  test("two agents at once, as in a rolling update: neither loses an entry of the other", async () => {
    const { clock, store, open } = createWorld();
    const first = await open("a".repeat(32));
    record(first, 2);
    await clock.advance(2_000);
    const second = await open("b".repeat(32));
    for (let i = 0; i < 5; i += 1) {
      record(first, 2);
      record(second, 2);
      await clock.advance(2_000);
    }
    await close(first, clock);
    await close(second, clock);
    assert.equal(store.lines().length, 3 + 1 + 20 + 2);
    const report = await verify(second);
    assert.deepEqual(report.problems, []);
    assert.match(report.notes.join(), /Two processes went on from entry 3: they ran at once/);
  });

  test("two agents that both begin a segment do not write over one another", async () => {
    const { clock, store, open } = createWorld();
    const first = await open("a".repeat(32));
    record(first, segmentEntries - 1);
    await clock.advance(2_000);
    const second = await open("b".repeat(32));
    record(first, 1);
    record(second, 1);
    await clock.advance(20_000);
    assert.equal(store.lines().length, segmentEntries + 3);
    assert.equal(new Set(store.lines()).size, segmentEntries + 3);
    assert.deepEqual((await verify(first)).problems, []);
  });
});

suite("what an intruder does to storage", () => {
  async function stored(): Promise<World & { audit: StoredAuditLog }> {
    const world = createWorld();
    const audit = await world.open("a".repeat(32));
    record(audit, segmentEntries + 20);
    await world.clock.advance(2_000);
    return { ...world, audit };
  }

  test("is told when an entry is altered, removed or doubled", async () => {
    for (const [change, expected] of [
      [(lines: string[]) => lines.with(3, (lines[3] ?? "").replace("allowed", "denied")), /is not as it was written/],
      [(lines: string[]) => lines.toSpliced(3, 1), /is missing before entry/],
      [(lines: string[]) => lines.toSpliced(3, 0, lines[2] ?? ""), /stands there again/],
      [(lines: string[]) => lines.with(3, "{}"), /is no entry, or not any more/],
    ] as const) {
      const { store, audit } = await stored();
      store.edit(change);
      const report = await verify(audit);
      assert.equal(report.intact, false);
      assert.match(report.problems.map(({ message }) => message).join(), expected);
    }
  });

  test("is told when the beginning is cut off, as long as there is room for it", async () => {
    const { clock, store, audit, open } = await stored();
    await close(audit, clock);
    store.places.delete(0);
    const next = await open("b".repeat(32));
    const { problems } = await verify(next);
    assert.match(problems[0]?.message ?? "", /^segment 1, line 1: what it follows is missing before entry 501/);
  });

  test("is not mixed up with what is written while storage is read", async () => {
    const { store, audit } = await stored();
    const waiting = audit.record({ ...asked, target: "shop/last" });
    store.before = () =>
      store.edit((lines) => (lines.length < 500 ? [...lines, JSON.stringify(formatRecord(waiting))] : lines));
    const report = await verify(audit);
    assert.deepEqual(report.problems, []);
    assert.equal(report.head, waiting.hash);
  });

  test("is told while the agent lives when the latest entries, or all of them, are cut off", async () => {
    const { store, audit } = await stored();
    store.edit((lines) => lines.slice(0, 5));
    assert.match(
      (await verify(audit)).problems[0]?.message ?? "",
      /^511 entries that this process has recorded are not in storage/,
    );
    store.places.delete(0);
    assert.match((await verify(audit)).problems[0]?.message ?? "", /^516 entries/);
    store.places.clear();
    assert.match((await verify(audit)).problems[0]?.message ?? "", /^521 entries/);
  });

  test("a segment that they made as long as an object can be is left alone, and a new one begun", () => {
    const long = "x".repeat(1_029_995);
    assert.deepEqual(extendSegment({ index: 7, lines: [long] }, ["abc", "d"]), {
      segment: { index: 7, lines: [long, "abc"] },
      taken: 1,
    });
    assert.deepEqual(extendSegment({ index: 7, lines: [long, "abc"] }, ["d"]), {
      segment: { index: 8, lines: ["d"] },
      taken: 1,
    });
  });

  test("does no harm to what is readable: the next process goes on from it, and says what it found", async () => {
    const { clock, store, audit, open, said } = await stored();
    await close(audit, clock);
    store.places.set(1, {
      place: 1,
      version: "x",
      segment: undefined,
      problem: "ConfigMap fairlead-audit-01: not gzip",
    });
    const next = await open("b".repeat(32));
    const [start] = next.list().slice(-1);
    assert.match(
      start?.message ?? "",
      /Stored are 500 entries, not all as they were written. ConfigMap fairlead-audit-01: not gzip/,
    );
    assert.equal(start?.sequence, 501);
    assert.equal(said(/is not as it was written/).length, 1);
    await clock.advance(5_000);
    assert.equal(store.lines().length, 501);
  });
});

/** Another process on the same storage and the same log, with time of its own, since that of a killed one stands still. */
async function createWorldOn(
  store: MemoryStore,
  lines: string[],
  instance: string,
): Promise<{ audit: StoredAuditLog; clock: FakeClock }> {
  const clock = createFakeClock(Date.UTC(2026, 0, 2));
  const log = createLog({ level: "info", write: (line) => lines.push(line) });
  const audit = await openAuditLog({ store, clock, log, instance, version: "1.2.3" }, AbortSignal.timeout(60_000));
  return { audit, clock };
}
