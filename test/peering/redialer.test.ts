import assert from "node:assert/strict";
import { test } from "node:test";
import { createRedialer, type Redialer } from "../../src/peering/redialer.ts";
import { createFakeClock, type FakeClock } from "../base/fake-clock.ts";

interface Rig {
  clock: FakeClock;
  redialer: Redialer;
  /** When each attempt began, in milliseconds. */
  attempts: number[];
  failures: unknown[];
  /** What attempts do; they fail unless it is changed. */
  outcome: () => Promise<void>;
}

function rig(random = 0.5, direct = false): Rig {
  const clock = createFakeClock();
  const made: Rig = {
    clock,
    attempts: [],
    failures: [],
    outcome: () => Promise.reject(new Error("nobody there")),
    redialer: createRedialer({
      clock,
      random: () => random,
      direct,
      dial: async () => {
        made.attempts.push(clock.monotonic());
        await made.outcome();
      },
      onFailed: (error) => made.failures.push(error),
    }),
  };
  return made;
}

function gaps(attempts: readonly number[]): number[] {
  return attempts.slice(1).map((at, index) => at - (attempts[index] ?? 0));
}

test("waits double from a second to half a minute, with full jitter", async () => {
  const longest = rig(0.999_999);
  longest.redialer.kick();
  await longest.clock.advance(200_000);
  const seconds = gaps(longest.attempts).map((gap) => Math.round(gap / 1000));
  assert.deepEqual(seconds.slice(0, 6), [2, 4, 8, 16, 30, 30]);
  assert.equal(longest.failures.length, longest.attempts.length);

  const shortest = rig(0);
  shortest.redialer.kick();
  await shortest.clock.advance(5_500);
  assert.deepEqual(gaps(shortest.attempts), [1_000, 1_000, 1_000, 1_000, 1_000]);
  longest.redialer.close();
  shortest.redialer.close();
});

test("a link that lasted ten seconds makes the next wait short again, and a shorter one does not", async () => {
  for (const [lastsMs, isShort] of [
    [10_000, true],
    [9_000, false],
  ] as const) {
    const { clock, redialer, attempts } = rig(0.999_999);
    redialer.kick();
    await clock.advance(60_000);
    redialer.up();
    await clock.advance(lastsMs);
    const before = attempts.length;
    redialer.down();
    await clock.advance(2_000);
    assert.equal(attempts.length > before, isShort, `${lastsMs}`);
    redialer.close();
  }
});

test("nothing is dialled while there is a link, nor before the first word", async () => {
  const { clock, redialer, attempts } = rig();
  await clock.advance(60_000);
  assert.equal(attempts.length, 0);
  redialer.up();
  await clock.advance(600_000);
  assert.equal(attempts.length, 0);
  redialer.close();
});

test("beside a link that stands it dials once, when told", async () => {
  for (const outcome of [() => Promise.resolve(), () => Promise.reject(new Error("nobody there"))]) {
    const made = rig();
    made.outcome = outcome;
    made.redialer.up();
    made.redialer.kick();
    await made.clock.advance(600_000);
    assert.equal(made.attempts.length, 1);
    made.redialer.close();
  }
});

test("a link that goes on at the next carrier is dialled at once, and not without end when it is lost again and again", async () => {
  const made = rig(0.999_999);
  made.outcome = () => Promise.resolve();
  const lose = async (times: number): Promise<number> => {
    const before = made.attempts.length;
    for (let lost = 0; lost < times; lost += 1) {
      made.redialer.up();
      made.redialer.down({ atOnce: true });
      await made.clock.advance(100);
    }
    return made.attempts.length - before;
  };
  assert.equal(await lose(10), 10);
  assert.ok((await lose(100)) <= 11, "once a second from then on");
  const before = made.attempts.length;
  await made.clock.advance(2_000);
  assert.equal(made.attempts.length, before + 1, "after the least wait at the latest");
  made.redialer.close();
});

test("a carrier that this end dialled is replaced before the certificates shown for it run out, and no sooner than needed", async () => {
  const hour = 3_600_000;
  for (const random of [0, 0.999_999]) {
    const made = rig(random);
    const { clock, redialer, attempts } = made;
    made.outcome = () => Promise.reject(new Error("nobody there"));
    redialer.up({ relayed: false, provenUntil: clock.now() + 8 * hour });
    await clock.advance(6 * hour - 1);
    assert.deepEqual(attempts, []);
    await clock.advance(1.6 * hour);
    assert.ok(attempts.length > 0, `${random}: within the last quarter`);
    await clock.advance(0.4 * hour);
    assert.ok(attempts.length > 3, "it is tried again as long as it fails");
    assert.ok(attempts.length < 60, "and not all the time");
    made.outcome = async () => redialer.up({ relayed: false, provenUntil: clock.now() + 24 * hour });
    await clock.advance(120_000);
    const before = attempts.length;
    await clock.advance(17 * hour);
    assert.equal(attempts.length, before, "the next one has its own time");
    redialer.down();
    redialer.close();
    assert.equal(clock.timers, 0);
  }
});

test("when told it dials at once, and starts with short waits", async () => {
  const { clock, redialer, attempts } = rig(0.999_999);
  redialer.kick();
  await clock.advance(100_000);
  const before = attempts.length;
  redialer.kick();
  assert.equal(attempts.length, before + 1);
  await clock.advance(2_000);
  assert.equal(attempts.length, before + 2);
  redialer.close();
});

test("one attempt at a time, and none after the end", async () => {
  const made = rig();
  made.outcome = () => new Promise(() => undefined);
  made.redialer.kick();
  made.redialer.kick();
  await made.clock.advance(100_000);
  assert.equal(made.attempts.length, 1);
  assert.equal(made.redialer.dialling, true);
  made.redialer.close();
  made.redialer.kick();
  await made.clock.advance(100_000);
  assert.equal(made.attempts.length, 1);
  assert.equal(made.clock.timers, 0);
});

test("a relayed link is dialled again patiently, from half a minute to five, as long as a direct way is known", async () => {
  const { clock, redialer, attempts, failures } = rig(0.999_999, true);
  redialer.up({ relayed: true });
  await clock.advance(2_000_000);
  const minutes = gaps([0, ...attempts]).map((gap) => Math.round(gap / 30_000) / 2);
  assert.deepEqual(minutes.slice(0, 6), [1, 2, 4, 5, 5, 5]);
  assert.equal(failures.length, attempts.length);
  const before = attempts.length;
  redialer.kick();
  assert.equal(attempts.length, before + 1, "at once when told");
  redialer.up({ relayed: false });
  await clock.advance(2_000_000);
  assert.equal(attempts.length, before + 1, "and never beside a direct one");
  redialer.up({ relayed: true });
  await clock.advance(60_000);
  assert.equal(attempts.length, before + 2, "soon again when it has gone back to a relay");
  redialer.close();

  const other = rig(0, false);
  other.redialer.up({ relayed: true });
  await other.clock.advance(2_000_000);
  assert.deepEqual(other.attempts, []);
});

test("a link that was direct, and was taken to a relay by an attempt that came in late, is dialled directly within two seconds", async () => {
  const made = rig(0.999_999, true);
  const { clock, redialer, attempts } = made;
  let arrive = (): void => undefined;
  made.outcome = () =>
    new Promise((resolve) => {
      arrive = resolve;
    });
  redialer.kick();
  // The other end has dialled meanwhile.
  redialer.up({ relayed: false });
  await clock.advance(5_000);
  redialer.up({ relayed: true });
  arrive();
  made.outcome = () => Promise.reject(new Error("nobody there"));
  await clock.advance(2_000);
  assert.equal(attempts.length, 2);
  await clock.advance(29_000);
  assert.equal(attempts.length, 2, "and patiently again when that fails");
  redialer.close();
});

test("a relayed link that is lost is dialled as fast as any other", async () => {
  const { clock, redialer, attempts } = rig(0, true);
  redialer.up({ relayed: true });
  await clock.advance(20_000);
  redialer.down();
  await clock.advance(1_000);
  assert.equal(attempts.length, 1);
  redialer.close();
});
