import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { AgentBudget, LinkBudget } from "../../src/wire/budget.ts";
import { ReceiveCredit, SendCredit } from "../../src/wire/credit.ts";
import { firstWindow } from "../../src/wire/window.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const most = 16 * MiB;
const pace = { nowMs: 0, roundTripMs: undefined };

function stream(window: number, budget = new LinkBudget(64 * MiB, new AgentBudget())): ReceiveCredit {
  assert.equal(budget.start(window), "taken");
  return new ReceiveCredit(window, most, budget);
}

/**
 * A stream at a line that moves `bytesPerMs` and a reader, in steps of a millisecond. The sender has more than it may send. Returns what was read,
 * the most that was held, and the window at the end.
 */
function flow(o: {
  roundTripMs: number;
  bytesPerMs: number;
  forMs: number;
  /** How much the reader takes in that millisecond. */
  reads(atMs: number, readInAll: number): number;
  budget?: LinkBudget;
}): { read: number; mostHeld: number; window: number; credit: ReceiveCredit } {
  const { roundTripMs, bytesPerMs, forMs } = o;
  const budget = o.budget ?? new LinkBudget(64 * MiB, new AgentBudget());
  const before = budget.promised;
  const credit = stream(256 * KiB, budget);
  const half = Math.max(1, Math.round(roundTripMs / 2));
  const coming: number[] = [];
  const going: number[] = [];
  let mayS = 256 * KiB;
  let read = 0;
  let mostHeld = 0;
  for (let at = 0; at < forMs; at++) {
    mayS += going[at] ?? 0;
    const sent = Math.min(mayS, bytesPerMs);
    mayS -= sent;
    coming[at + half] = sent;
    const came = coming[at] ?? 0;
    if (came > 0) assert.equal(credit.arrived(came), true);
    mostHeld = Math.max(mostHeld, credit.held);
    const now = Math.min(credit.held, o.reads(at, read));
    read += now;
    if (now > 0 && credit.consumed(now)) going[at + half] = credit.give({ nowMs: at, roundTripMs });
  }
  return { read, mostHeld, window: budget.promised - before, credit };
}

const always = (): number => Number.POSITIVE_INFINITY;

suite("credit", () => {
  test("is given back in portions, and what was given equals what was consumed", () => {
    const credit = stream(1000);
    assert.equal(credit.arrived(1000), true);
    assert.equal(credit.consumed(249), false);
    assert.equal(credit.consumed(1), true);
    assert.equal(credit.give(pace), 250);
    assert.equal(credit.give(pace), 0);
    assert.equal(credit.arrived(250), true);
    assert.equal(credit.arrived(1), false);
  });

  test("is refused when it adds up to more than can be counted", () => {
    const credit = new SendCredit(10);
    assert.equal(credit.add(2n ** 64n - 1n), false);
    assert.equal(credit.available, 10);
    assert.equal(credit.add(BigInt(Number.MAX_SAFE_INTEGER) - 10n), true);
  });

  test("a stream that is over costs what was not read, and nothing when it was cut", () => {
    const budget = new LinkBudget(64 * MiB, new AgentBudget());
    const credit = stream(1000, budget);
    credit.arrived(600);
    credit.consumed(100);
    credit.end();
    assert.deepEqual([budget.promised, budget.held], [500, 500]);
    credit.consumed(200);
    assert.deepEqual([budget.promised, budget.held], [300, 300]);
    credit.close();
    assert.deepEqual([budget.promised, budget.held], [0, 0]);
  });

  test("what nobody will read costs only what may still come", () => {
    const budget = new LinkBudget(64 * MiB, new AgentBudget());
    const credit = stream(1000, budget);
    credit.arrived(600);
    credit.drop();
    assert.deepEqual([budget.promised, budget.held], [400, 0]);
    assert.equal(credit.arrived(300), true);
    assert.deepEqual([budget.promised, budget.held], [100, 0]);
    assert.equal(credit.arrived(101), false);
    credit.end();
    assert.deepEqual([budget.promised, budget.held], [0, 0]);
  });
});

suite("a window", () => {
  test("doubles until one stream fills a pipe of 1 Gbit/s and 50 ms", () => {
    const seconds = 4;
    const { read, window } = flow({ roundTripMs: 50, bytesPerMs: 125_000, forMs: seconds * 1000, reads: always });
    assert.equal(window, most);
    // All but what it takes to get there, which is a second.
    assert.ok(read > 125_000 * 1000 * (seconds - 1), `${read} bytes`);
  });

  test("stays small where little is enough", () => {
    const { window } = flow({ roundTripMs: 2, bytesPerMs: 50_000, forMs: 2000, reads: always });
    assert.ok(window <= MiB, `${window} bytes`);
  });

  test("of a reader that is slow from the start is 1 MiB at most, whatever was taken off its hands at first", () => {
    const ways: ((at: number, read: number) => number)[] = [
      () => 0,
      // A kernel's buffer fills up at speed, and then nothing moves any more.
      (_, read) => Math.max(0, 5 * MiB - read),
      // A trickle, and in gulps.
      () => 1_000,
      (at) => (at % 1000 === 999 ? always() : 0),
    ];
    for (const roundTripMs of [1, 50]) {
      for (const reads of ways) {
        const { window, mostHeld } = flow({ roundTripMs, bytesPerMs: 500_000, forMs: 30_000, reads });
        assert.ok(window <= MiB && mostHeld <= MiB, `${window} bytes, ${mostHeld} held, at ${roundTripMs} ms`);
      }
    }
  });

  test("of a reader that stalls at speed does not grow until it reads again", () => {
    const budget = new LinkBudget(64 * MiB, new AgentBudget());
    const fast = flow({ roundTripMs: 50, bytesPerMs: 125_000, forMs: 700, reads: always, budget });
    const stalled = flow({
      roundTripMs: 50,
      bytesPerMs: 125_000,
      forMs: 10_000,
      reads: (at) => (at < 700 ? always() : 0),
      budget,
    });
    assert.ok(stalled.window <= fast.window, `${stalled.window} bytes after ${fast.window}`);
    assert.ok(stalled.mostHeld <= stalled.window);
  });

  test("halves when its reader has become slow", () => {
    const { window } = flow({
      roundTripMs: 50,
      bytesPerMs: 125_000,
      forMs: 60_000,
      reads: (at) => (at < 3000 ? always() : 1_000),
    });
    assert.ok(window <= MiB, `${window} bytes`);
  });

  test("that stalls at its largest leaves others what they need", () => {
    const budget = new LinkBudget(64 * MiB, new AgentBudget());
    for (let stalled = 0; stalled < 20; stalled++) {
      flow({ roundTripMs: 50, bytesPerMs: 125_000, forMs: 3000, reads: (at) => (at < 2500 ? always() : 0), budget });
    }
    assert.ok(budget.free > 64 * MiB * 0.4, `${budget.free} bytes are free`);
    const { window } = flow({ roundTripMs: 50, bytesPerMs: 125_000, forMs: 2000, reads: always, budget });
    assert.ok(window >= 256 * KiB);
  });
});

suite("a first window", () => {
  test("falls from 256 KiB to 4 KiB as streams grow in number, and 10,000 of them fit in 64 MiB", () => {
    const budget = new LinkBudget(64 * MiB, new AgentBudget());
    let last = Number.POSITIVE_INFINITY;
    for (let streams = 0; streams < 10_000; streams++) {
      const window = firstWindow(256 * KiB, 4 * KiB, streams, budget.free);
      assert.ok(window <= last);
      last = window;
      assert.equal(budget.start(window), "taken", `stream ${streams}`);
    }
    assert.equal(firstWindow(256 * KiB, 4 * KiB, 0, 64 * MiB), 256 * KiB);
    assert.equal(last, 4 * KiB);
  });

  test("is never below the least, nor above the most", () => {
    const size = fc.integer({ min: 1, max: 2 ** 30 });
    fc.assert(
      fc.property(size, size, fc.nat(20_000), fc.nat(2 ** 30), (top, least, streams, free) => {
        const window = firstWindow(top, least, streams, free);
        assert.ok(window <= top && window >= Math.min(least, top));
      }),
    );
  });
});

type Act = "open" | "come" | "read" | "give" | "end" | "drop" | "cut" | "close link";

suite("budgets", () => {
  const act = fc.record({
    act: fc.constantFrom<Act>(
      "open",
      "open",
      "come",
      "come",
      "read",
      "read",
      "read",
      "give",
      "end",
      "drop",
      "cut",
      "close link",
    ),
    which: fc.nat(1000),
    bytes: fc.oneof(fc.nat(5_000), fc.nat(300_000)),
    waitMs: fc.constantFrom(0, 0, 1, 10, 1_000),
  });

  test("no more is ever promised than they have, a reader goes on, and in the end all of it is back", () => {
    fc.assert(
      fc.property(
        fc.array(act, { maxLength: 300 }),
        fc.nat(8 * MiB),
        fc.nat(4 * MiB),
        (acts, agentBytes, linkBytes) => {
          const agent = new AgentBudget(agentBytes);
          let links = [0, 1, 2].map(() => ({ budget: new LinkBudget(linkBytes, agent), streams: [] as Model[] }));
          let nowMs = 0;
          for (const { act, which, bytes, waitMs } of acts) {
            nowMs += waitMs;
            const link = links[which % links.length];
            const at = Math.floor(which / 3) % Math.max(1, link?.streams.length ?? 0);
            const one = link?.streams[at];
            if (link === undefined) continue;
            if (act === "open") {
              const window = firstWindow(256 * KiB, 4 * KiB, link.streams.length, link.budget.free);
              if (link.budget.start(window) === "taken") link.streams.push(new Model(window, link.budget));
            } else if (act === "close link") {
              link.budget.close();
              links = links.map((old) =>
                old === link ? { budget: new LinkBudget(linkBytes, agent), streams: [] } : old,
              );
            } else if (one !== undefined) {
              one.play(act, bytes, nowMs);
              if (one.over) link.streams.splice(at, 1);
            }
            for (const { budget, streams } of links) {
              assert.ok(budget.promised <= linkBytes && budget.promised >= 0);
              assert.ok(budget.held <= budget.promised && budget.held >= 0);
              assert.equal(
                budget.held,
                streams.reduce((sum, { held }) => sum + held, 0),
              );
            }
            const sum = links.reduce((sum, { budget }) => sum + budget.promised, 0);
            assert.equal(agent.promised, sum);
            assert.ok(agent.promised <= agentBytes);
          }
          for (const { streams, budget } of links) {
            for (const one of streams) one.play("cut", 0, nowMs);
            assert.deepEqual([budget.promised, budget.held], [0, 0]);
          }
          assert.equal(agent.promised, 0);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("growth leaves half of what first windows leave to streams that come, however greedy it is", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 8 * MiB }), { maxLength: 200 }),
        fc.nat(2_000),
        (steps, streams) => {
          const budget = new LinkBudget(64 * MiB, new AgentBudget());
          for (let at = 0; at < streams; at++) budget.start(firstWindow(256 * KiB, 4 * KiB, at, budget.free));
          const before = budget.free;
          for (const bytes of steps) budget.grow(bytes);
          assert.ok(budget.free >= before / 2);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("links that take all they can leave each other one its own part, and the first of them can have 10,000 streams", () => {
    const agent = new AgentBudget(128 * MiB);
    const links = Array.from({ length: 1_000 }, () => new LinkBudget(64 * MiB, agent));
    for (const link of links) while (link.start(4 * KiB) === "taken");
    for (const link of links) assert.ok(link.promised >= 32 * KiB, `${link.promised} bytes`);
    assert.ok(links[0] !== undefined && links[0].promised >= 10_000 * 4 * KiB);
    assert.ok(agent.promised <= agent.total);
    for (const link of links) link.close();
    assert.equal(agent.promised, 0);
  });
});

/** A stream with a sender that keeps to its credit. */
class Model {
  readonly #credit: ReceiveCredit;
  #may: number;
  held = 0;
  over = false;
  #ended = false;
  #dropped = false;

  constructor(window: number, budget: LinkBudget) {
    this.#credit = new ReceiveCredit(window, most, budget);
    this.#may = window;
  }

  play(act: Exclude<Act, "open" | "close link">, bytes: number, nowMs: number): void {
    if (act === "come" && !this.#ended) {
      const came = Math.min(bytes, this.#may);
      this.#may -= came;
      assert.equal(this.#credit.arrived(came), true);
      if (!this.#dropped) this.held += came;
      assert.equal(this.#credit.arrived(this.#may + 1), false);
    } else if (act === "read" && !this.#dropped) {
      const read = Math.min(bytes, this.held);
      this.held -= read;
      this.#credit.consumed(read);
      if (this.held === 0 && !this.#ended) {
        this.#give(nowMs);
        assert.ok(this.#may > 0, "a reader that has read everything waits for ever");
      }
    } else if (act === "give") {
      this.#give(nowMs);
    } else if (act === "end" && !this.#ended) {
      this.#ended = true;
      this.#credit.end();
      this.over = this.#dropped;
    } else if (act === "drop") {
      this.#dropped = true;
      this.held = 0;
      this.#credit.drop();
      this.over = this.#ended;
    } else if (act === "cut") {
      this.held = 0;
      this.over = true;
      this.#credit.close();
    }
    if (this.#ended && this.held === 0) this.over = true;
  }

  #give(nowMs: number): void {
    const given = this.#credit.give({ nowMs, roundTripMs: 5 });
    assert.ok(given >= 0);
    this.#may += given;
  }
}
