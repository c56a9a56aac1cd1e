import assert from "node:assert/strict";
import { test } from "node:test";
import { createAttempts } from "../../../src/console/auth/attempts.ts";
import { createFakeClock } from "../../base/fake-clock.ts";

const home = { name: "ann", address: "192.0.2.1" };
const stranger = { name: "ann", address: "198.51.100.7" };

function world(most?: number) {
  const clock = createFakeClock();
  const attempts = createAttempts({ clock, ...(most !== undefined && { most }) });
  /** How long each of so many mistakes in a row was made to wait before, in seconds. */
  async function waits(count: number, attempt: Parameters<typeof attempts.begin>[0]): Promise<number[]> {
    const all: number[] = [];
    for (let n = 0; n < count; n += 1) {
      let waited = 0;
      for (let ms = attempts.begin(attempt); ms > 0; ms = attempts.begin(attempt)) {
        waited += ms;
        await clock.advance(ms);
      }
      all.push(Math.round(waited / 1_000));
    }
    return all;
  }
  return { clock, attempts, waits };
}

test("whoever is wrong five times waits, twice as long each time, and a minute at most", async () => {
  const { waits } = world();
  assert.deepEqual(await waits(14, home), [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
});

test("to ask while one waits makes it no longer", async () => {
  const { clock, attempts, waits } = world();
  await waits(8, home);
  const ms = attempts.begin(home);
  for (let n = 0; n < 20; n += 1) attempts.begin(home);
  await clock.advance(ms - 1);
  assert.equal(attempts.begin(home), 1);
  await clock.advance(1);
  assert.equal(attempts.begin(home), 0);
});

test("those who are at it at once count before any of them is known to be wrong", () => {
  const { attempts } = world();
  const began = Array.from({ length: 20 }, () => attempts.begin(home)).filter((ms) => ms === 0);
  assert.equal(began.length, 5);
});

test("a stranger's mistakes make neither the owner wait nor another name from there", async () => {
  const { attempts, waits } = world();
  await waits(12, stranger);
  assert.ok(attempts.begin(stranger) > 0);
  assert.equal(attempts.begin(home), 0);
  assert.equal(attempts.begin({ ...stranger, name: "ben" }), 0);
});

test("who is right begins anew, and who was not heard has lost nothing", async () => {
  const { attempts, waits } = world();
  await waits(4, home);
  assert.equal(attempts.begin(home), 0);
  attempts.succeeded(home);
  assert.deepEqual(await waits(5, home), [0, 0, 0, 0, 0]);
  const other = { ...home, address: "192.0.2.2" };
  for (let n = 0; n < 100; n += 1) {
    assert.equal(attempts.begin(other), 0);
    attempts.undone(other);
  }
});

test("mistakes are forgotten after an hour without one", async () => {
  const { clock, waits } = world();
  await waits(10, home);
  await clock.advance(60 * 60_000 + 1);
  assert.deepEqual(await waits(5, home), [0, 0, 0, 0, 0]);
});

test("an address that tries many names is slowed down, and whoever else is there with it", async () => {
  const { attempts, clock } = world();
  const began = Array.from({ length: 40 }, (_, n) => attempts.begin({ ...stranger, name: `user-${n}` }));
  assert.equal(began.filter((ms) => ms === 0).length, 30);
  assert.ok(began.slice(30).every((ms) => ms === 2_000));
  assert.equal(attempts.begin(home), 0);
  await clock.advance(2_000);
  assert.equal(attempts.begin({ ...stranger, name: "another" }), 0);
});

test("a name that is tried from many addresses is slowed down, but each may once a minute whatever the others do", async () => {
  const { attempts, clock } = world();
  const round = (): number[] =>
    Array.from({ length: 60 }, (_, n) => attempts.begin({ name: "ann", address: `203.0.113.${n}` }));
  const passed = (): number => round().filter((ms) => ms === 0).length;
  assert.deepEqual([passed(), passed(), passed()], [60, 50, 0]);
  assert.ok(round().every((ms) => ms === 10_000));
  assert.equal(attempts.begin(home), 0, "who has not come yet this minute");
  assert.equal(attempts.begin(home), 10_000);
  assert.equal(attempts.begin({ ...home, browser: "b1" }), 0);
  assert.equal(
    attempts.begin({ name: "ben", address: "192.0.2.1" }),
    0,
    "what was refused for the name is not the address's",
  );
  for (let minutes = 0; minutes < 30; minutes += 1) {
    await clock.advance(60_000);
    round();
    round();
    assert.equal(attempts.begin(home), 0, `minute ${minutes}`);
    attempts.undone(home);
  }
});

test("who is right over and over waits as well, whatever browser and address they come with, and nobody else does", async () => {
  const { attempts, clock } = world();
  for (let n = 0; n < 21; n += 1) {
    const attempt = { name: "ann", address: `192.0.2.${n % 7}`, browser: `b${n}` };
    assert.equal(attempts.begin(attempt), 0);
    attempts.succeeded(attempt);
  }
  assert.equal(attempts.begin(home), 6_000);
  assert.equal(attempts.begin({ ...home, browser: "b1" }), 6_000);
  assert.equal(attempts.begin({ ...home, name: "ben" }), 0);
  await clock.advance(6_000);
  assert.equal(attempts.begin(home), 0);
});

test("a browser that is known is counted by itself, wherever it is", async () => {
  const { attempts, waits } = world();
  const browser = { ...home, browser: "b1" };
  await waits(9, browser);
  assert.ok(attempts.begin({ ...browser, address: "192.0.2.9" }) > 0);
  assert.equal(attempts.begin({ ...browser, browser: "b2" }), 0);
  assert.equal(attempts.begin(home), 0);
});

test("a network of IPv6 is one place, and an IPv4 address is one however it is written", async () => {
  const { attempts, waits } = world();
  await waits(6, { name: "ann", address: "2001:db8:1:2:3:4:5:6" });
  for (const same of ["2001:db8:1:2::1", "2001:DB8:0001:0002::", "2001:db8:1:2:ffff::1"]) {
    assert.ok(attempts.begin({ name: "ann", address: same }) > 0, same);
  }
  for (const other of ["2001:db8:1:3::1", "2001:db8::1:2", "::1", "fe80::1%eth0"]) {
    assert.equal(attempts.begin({ name: "ann", address: other }), 0, other);
  }
  await waits(6, home);
  assert.ok(attempts.begin({ name: "ann", address: "::ffff:192.0.2.1" }) > 0);
});

test("no more is remembered than said, whoever comes: the oldest is forgotten first", async () => {
  const { attempts, waits } = world(3);
  await waits(6, home);
  for (const name of ["b", "c"]) attempts.begin({ name, address: "192.0.2.1" });
  assert.ok(attempts.begin(home) > 0);
  for (const name of ["d", "e", "f"]) attempts.begin({ name, address: "192.0.2.1" });
  assert.equal(attempts.begin(home), 0);
});

test("to be refused costs nothing, and pushes nobody's count out", async () => {
  const { attempts, waits } = world(100);
  await waits(12, home);
  const before = attempts.begin(home);
  for (let n = 0; n < 1_000; n += 1) attempts.begin({ name: `user-${n}`, address: "198.51.100.7" });
  assert.ok(before > 0);
  assert.equal(attempts.begin(home), before);
});

test("what was let through although there was nothing left has nothing to give back", () => {
  const { attempts } = world();
  const all = (): number => {
    const begun = Array.from({ length: 60 }, (_, n) => attempts.begin({ name: "ann", address: `203.0.113.${n}` }));
    return begun.filter((ms) => ms === 0).length;
  };
  assert.equal(all(), 60);
  for (let n = 50; n < 60; n += 1) attempts.undone({ name: "ann", address: `203.0.113.${n}` });
  assert.equal(all(), 50, "those that took of the allowance have their minute; the others get nothing of it");
});
