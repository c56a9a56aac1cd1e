import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  acknowledge,
  type Cause,
  emptyLedger,
  isAcknowledged,
  keepLedger,
  type Ledger,
  mostKept,
} from "../../../src/console/notifications/ledger.ts";

const minute = 60_000;

function cause(key: string, more: Partial<Cause> = {}): Cause {
  const about = { peer: key };
  return {
    key,
    kind: "LinkDown",
    severity: "Problem",
    summary: key,
    message: "",
    about,
    peers: [key],
    dueAt: 0,
    ...more,
  };
}

const outline = ({ notifications }: Ledger): string[] =>
  notifications.map(
    ({ id, key, count, resolvedAt }) => `${id} ${key} ${count}${resolvedAt === undefined ? "" : " over"}`,
  );

suite("notifications", () => {
  test("there is one as long as its cause is there, and it is over when that is gone", () => {
    const begun = keepLedger(emptyLedger, [cause("a"), cause("b")], minute);
    assert.deepEqual(outline(begun), ["n1 a 1", "n2 b 1"]);
    assert.equal(keepLedger(begun, [cause("b"), cause("a")], 2 * minute), begun);
    const one = keepLedger(begun, [cause("b")], 3 * minute);
    assert.deepEqual(outline(one), ["n1 a 1 over", "n2 b 1"]);
    assert.equal(one.notifications[0]?.resolvedAt, 3 * minute);
  });

  test("what is not due begins none, and ends none", () => {
    const late = cause("a", { dueAt: 5 * minute });
    assert.equal(keepLedger(emptyLedger, [late], 5 * minute - 1), emptyLedger);
    const begun = keepLedger(emptyLedger, [late], 5 * minute);
    assert.equal(keepLedger(begun, [cause("a", { dueAt: 9 * minute })], 6 * minute), begun);
    assert.deepEqual(outline(keepLedger(begun, [], 6 * minute)), ["n1 a 1 over"]);
    assert.equal(keepLedger(begun, [], 6 * minute, { ends: false }), begun);
  });

  test("what comes back within ten minutes is the same, still acknowledged; what comes later is another", () => {
    const seen = acknowledge(keepLedger(emptyLedger, [cause("a")], 0), new Set(["n1"]), "ada", 1);
    const over = keepLedger(seen, [], minute);
    const back = keepLedger(over, [cause("a")], 11 * minute);
    assert.deepEqual(outline(back), ["n1 a 2"]);
    assert.ok(back.notifications[0] && isAcknowledged(back.notifications[0], "ada"));
    const later = keepLedger(over, [cause("a")], 11 * minute + 1);
    assert.deepEqual(outline(later), ["n1 a 1 over", "n2 a 1"]);
    assert.deepEqual(outline(keepLedger(later, [], 12 * minute)), ["n1 a 1 over", "n2 a 1 over"]);
  });

  test("what becomes of another kind is new to everybody; other words for the same are not", () => {
    const seen = acknowledge(keepLedger(emptyLedger, [cause("a")], 0), new Set(["n1"]), "ada", 1);
    const [worded] = keepLedger(seen, [cause("a", { message: "other" })], minute).notifications;
    assert.deepEqual([worded?.message, worded?.count, worded?.lastAt, worded?.acknowledged.length], ["other", 1, 0, 1]);
    const [other] = keepLedger(seen, [cause("a", { kind: "AppRefused" })], minute).notifications;
    assert.deepEqual([other?.count, other?.lastAt, other?.acknowledged.length], [2, minute, 0]);
  });

  test("what merely happened is told once, and is over", () => {
    const joined = cause("a", { once: true, dueAt: 7 });
    const told = keepLedger(emptyLedger, [joined], 9);
    assert.deepEqual(outline(told), ["n1 a 1 over"]);
    assert.equal(told.notifications[0]?.resolvedAt, 7);
    assert.equal(keepLedger(told, [joined], 60 * minute), told);
  });

  test("what is over for a week goes", () => {
    const over = keepLedger(keepLedger(emptyLedger, [cause("a")], 0), [], minute);
    const week = 7 * 24 * 60 * minute;
    assert.equal(keepLedger(over, [], minute + week), over);
    assert.deepEqual(outline(keepLedger(over, [], minute + week + 1)), []);
  });

  test("when there is more than can be told one by one, the rest is counted, and those that are told stay the same", () => {
    const many = Array.from({ length: 5_000 }, (_, at) => cause(`a${at}`));
    const told = keepLedger(emptyLedger, many, minute);
    assert.equal(told.notifications.length, 250);
    assert.match(told.notifications.at(-1)?.summary ?? "", /^4751 more things/);
    assert.equal(keepLedger(told, many.toReversed(), 2 * minute), told);
    const few = keepLedger(told, many.slice(0, 10), 3 * minute);
    assert.equal(few.notifications.filter(({ resolvedAt }) => resolvedAt === undefined).length, 10);
  });

  test("each user acknowledges for themselves, and the first of many give way", () => {
    let ledger = keepLedger(emptyLedger, [cause("a")], 0);
    assert.equal(acknowledge(ledger, new Set(["n7"]), "ada", 1), ledger);
    for (let at = 0; at < 20; at += 1) ledger = acknowledge(ledger, new Set(["n1"]), `user ${at}`, at);
    assert.deepEqual(
      ledger.notifications[0]?.acknowledged.map(({ at }) => at),
      Array.from({ length: 16 }, (_, at) => at + 4),
    );
    assert.equal(acknowledge(ledger, new Set(["n1"]), "user 19", 99), ledger);
  });

  test("who may see some peers only sees nothing that is about more peers than are named", () => {
    const peers = Array.from({ length: 17 }, (_, at) => `p${at}`);
    assert.deepEqual(keepLedger(emptyLedger, [cause("a", { peers })], 0).notifications[0]?.peers, []);
  });
});

test("whatever comes and goes: one living one a cause, in bounds, and it fits into one object of Kubernetes", () => {
  const long = "é".repeat(1_000);
  const step = fc.record({ from: fc.nat(400), many: fc.nat(400), passed: fc.nat(1_000_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      let ledger = emptyLedger;
      let now = 100;
      for (const { from, many, passed } of steps) {
        now += passed;
        const all = Array.from({ length: many }, (_, at) => {
          const number = (from + at) % 401;
          const words = { summary: long, message: long };
          return cause(`${number}`, { ...words, once: number % 3 === 0, dueAt: number % 100 });
        });
        ledger = keepLedger(ledger, all, now);
        assert.equal(keepLedger(ledger, all, now), ledger);
        const living = ledger.notifications.filter(({ resolvedAt }) => resolvedAt === undefined).map((one) => one.key);
        assert.equal(new Set(living).size, living.length);
        const lasting = all.filter(({ once }) => !once);
        assert.equal(living.length, Math.min(250, lasting.length));
        assert.ok(ledger.notifications.length <= mostKept);
        assert.equal(new Set(ledger.notifications.map(({ id }) => id)).size, ledger.notifications.length);
        assert.ok(Buffer.byteLength(JSON.stringify(ledger)) < 900_000);
      }
    }),
    { numRuns: 60 },
  );
});
