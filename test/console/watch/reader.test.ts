/** A watch's place in the log: whatever changes, however slowly it reads and wherever it is cut, it ends up knowing what there is. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { ChangeLog } from "../../../src/console/watch/change-log.ts";
import type { Ref } from "../../../src/console/watch/logged.ts";
import { type Position, type Selection, type Step, WatchReader } from "../../../src/console/watch/watch-reader.ts";
import { Reset_Reason as Reason, Topic } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import { createFakeClock } from "../../base/fake-clock.ts";

const { APPS, PEERS } = Topic;
const everywhere = ["east", "west"];

function refOf(name: string): Ref {
  return { namespace: "shop", name };
}

/** Who sees these peers and no others. */
function seeing(peers: readonly string[]): Selection {
  return {
    topics: new Set([APPS]),
    wants: (_one, traits) => traits.peers.every((peer) => peers.includes(peer)),
    mostAtFirst: () => Number.POSITIVE_INFINITY,
  };
}

function put(log: ChangeLog, name: string, peers: readonly string[] | undefined, topic: Topic = APPS): void {
  log.put(topic, refOf(name), peers && { peers, about: peers, now: () => ({ case: undefined }) });
}

/** A client that keeps what it was told, and finds fault with what it must not be told. */
class Client {
  readonly known = new Map<string, number>();
  readonly told: string[] = [];
  readonly resets: Reason[] = [];
  isSynced = false;
  readonly #log: ChangeLog;
  readonly #selection: Selection;
  #reader: WatchReader;
  /** By name, the number of what it was told since it began, of what has gone too. */
  readonly #numbers = new Map<string, number>();
  /** What was told since it began anew. */
  #anew: Set<string> | undefined;
  #resume: Position | undefined;
  #wasCut = false;

  constructor(log: ChangeLog, selection: Selection) {
    this.#log = log;
    this.#selection = selection;
    this.#reader = new WatchReader(log, selection);
  }

  /** Reads so many steps at most; true when there were fewer. */
  read(steps: number): boolean {
    for (let i = 0; i < steps; i += 1) {
      const step = this.#reader.next();
      if (!step) return true;
      if (step.kind === "reset") this.#begin(step.reason);
      else if (step.kind === "synced") this.#sweep();
      else this.#take(step);
      this.#resume = this.#reader.position ?? this.#resume;
    }
    return false;
  }

  /** Its connection is lost, and it comes again with what it was told last. */
  cut(): void {
    this.#wasCut = true;
    if (!this.#resume) {
      this.#anew = new Set();
      this.#numbers.clear();
    }
    this.#reader = new WatchReader(this.#log, this.#selection, this.#resume);
  }

  #take({ one, gone }: Extract<Step, { kind: "change" }>): void {
    const { name, number, told } = one;
    this.told.push(gone ? `${name} gone` : `${name} ${number}`);
    assert.ok(number > (this.#numbers.get(name) ?? 0), `${name} ${number} comes twice`);
    this.#numbers.set(name, number);
    this.#anew?.add(name);
    if (gone) {
      // Who was cut off between two reads may hear once more of what went in between.
      assert.ok(this.known.delete(name) || this.#wasCut, `${name} was never known`);
    } else {
      assert.ok(told && this.#selection.wants(one, told), `${name} is not for it`);
      this.known.set(name, number);
    }
  }

  #begin(reason: Reason): void {
    this.resets.push(reason);
    this.#numbers.clear();
    this.#anew = new Set();
    this.#resume = undefined;
    this.isSynced = false;
  }

  #sweep(): void {
    for (const name of [...this.known.keys()]) if (this.#anew?.has(name) === false) this.known.delete(name);
    this.#anew = undefined;
    this.isSynced = true;
  }
}

function newLog(o: { mostGone?: number; mostViews?: number } = {}): ChangeLog {
  return new ChangeLog({ clock: createFakeClock(), ...o });
}

suite("a place in the log of changes", () => {
  test("begins with what there is, says when it is whole, and goes on with each change", () => {
    const log = newLog();
    put(log, "a", ["east"]);
    put(log, "b", ["east"]);
    const client = new Client(log, seeing(everywhere));
    assert.equal(client.read(2), false);
    assert.equal(client.isSynced, false);
    assert.equal(client.read(9), true);
    assert.equal(client.isSynced, true);
    put(log, "a", ["east"]);
    put(log, "b", undefined);
    client.read(9);
    assert.deepEqual(client.told, ["a 1", "b 2", "a 3", "b gone"]);
  });

  test("what changes many times while nobody reads is told once, as it is", () => {
    const log = newLog();
    const client = new Client(log, seeing(everywhere));
    client.read(9);
    for (let i = 0; i < 10_000; i += 1) put(log, `${i % 3}`, ["east"]);
    client.read(99);
    assert.deepEqual(client.told, ["1 9998", "2 9999", "0 10000"]);
  });

  test("what leaves its peers is told as gone, once, and then nothing of it", () => {
    const log = newLog();
    put(log, "a", ["east"]);
    const client = new Client(log, seeing(["east"]));
    client.read(9);
    put(log, "a", ["west"]);
    client.read(9);
    put(log, "a", ["west"]);
    put(log, "b", ["west"]);
    put(log, "b", undefined);
    client.read(9);
    put(log, "a", ["east"]);
    client.read(9);
    assert.deepEqual(client.told, ["a 1", "a gone", "a 6"]);
  });

  test("what came and went unseen is not told at all", () => {
    const log = newLog();
    const client = new Client(log, seeing(everywhere));
    client.read(9);
    put(log, "a", ["east"]);
    put(log, "a", undefined);
    client.read(9);
    assert.deepEqual(client.told, []);
  });

  test("what changes before its turn in the present state is told once, also to who is cut off right after", () => {
    const log = newLog();
    put(log, "a", ["east"]);
    put(log, "b", ["east"]);
    const client = new Client(log, seeing(["east"]));
    client.read(1);
    put(log, "x", ["east"]);
    put(log, "b", ["east"]);
    client.read(2);
    assert.deepEqual(client.told, ["a 1", "b 4", "x 3"]);
    client.cut();
    client.read(9);
    assert.deepEqual(client.told.slice(3), ["a 1", "b 4", "x 3"], "it had not been whole, so all is told anew");
  });

  test("what leaves its peers before its turn in the present state is not told", () => {
    const log = newLog();
    put(log, "a", ["east"]);
    put(log, "b", ["east"]);
    const client = new Client(log, seeing(["east"]));
    client.read(1);
    put(log, "b", ["west"]);
    put(log, "x", ["east"]);
    client.read(1);
    put(log, "b", ["west"]);
    client.read(9);
    assert.deepEqual(client.told, ["a 1", "x 4"]);
  });

  test("who comes again hears what happened meanwhile, and no more", () => {
    const log = newLog();
    put(log, "a", ["east"]);
    put(log, "b", ["east"]);
    const client = new Client(log, seeing(everywhere));
    client.read(9);
    put(log, "b", undefined);
    put(log, "c", ["east"]);
    client.cut();
    client.read(9);
    assert.deepEqual(client.told.slice(2), ["b gone", "c 4"]);
    assert.deepEqual(client.resets, []);
  });

  test("who was away for longer than what has gone is remembered begins anew", () => {
    const log = newLog({ mostGone: 2 });
    for (const name of ["a", "b", "c", "d"]) put(log, name, ["east"]);
    const client = new Client(log, seeing(everywhere));
    client.read(9);
    for (const name of ["a", "b", "c"]) put(log, name, undefined);
    client.read(9);
    assert.deepEqual(client.resets, [Reason.TOO_OLD]);
    assert.deepEqual([...client.known.keys()], ["d"]);
  });

  test("of what was told at the beginning none is forgotten that went while the rest was told", () => {
    const log = newLog({ mostViews: 2 });
    put(log, "a", ["east"]);
    put(log, "b", ["east"]);
    const client = new Client(log, seeing(["east"]));
    client.read(1);
    put(log, "a", ["west"]);
    put(log, "a", undefined);
    put(log, "b", undefined);
    client.read(9);
    assert.deepEqual([...client.known.keys()], []);
    assert.deepEqual(client.resets, [Reason.TOO_OLD]);
  });

  test("what goes in other topics ends no place", () => {
    const log = newLog({ mostGone: 1 });
    put(log, "a", ["east"]);
    const client = new Client(log, seeing(everywhere));
    client.read(9);
    for (const name of ["b", "c", "d"]) put(log, name, ["east"], PEERS);
    for (const name of ["b", "c", "d"]) put(log, name, undefined, PEERS);
    put(log, "e", ["east"], PEERS);
    client.read(9);
    assert.deepEqual([client.resets, client.told], [[], ["a 1"]]);
  });

  test("a place of the future is another log's", () => {
    const reader = new WatchReader(newLog(), seeing(everywhere), { settled: 5, read: 7 });
    assert.deepEqual(reader.next(), { kind: "reset", reason: Reason.OTHER_INSTANCE });
  });

  test("whatever changes, wherever it is cut and however slowly it reads, it ends with what there is and nothing twice", () => {
    const name = fc.constantFrom("a", "b", "c", "d", "e");
    const peers = fc.constantFrom<readonly string[]>(["east"], ["west"], ["east", "west"], [""]);
    const who = fc.nat(2);
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), name, peers }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("gone" as const), name }) },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant("read" as const), who, steps: fc.integer({ min: 1, max: 5 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), who }) },
    );
    const bounds = fc.constantFrom({}, { mostGone: 1 }, { mostViews: 2 }, { mostGone: 2, mostViews: 3 });
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 80 }), (bound, steps) => {
        const log = newLog(bound);
        const selections = [seeing(["east"]), seeing(["east", "west", ""]), seeing(["west"])];
        const clients: Client[] = [];
        // Each comes when it reads first: then there may be something.
        const clientOf = (who: number): Client => {
          clients[who] ??= new Client(log, selections[who] ?? seeing([]));
          return clients[who];
        };
        for (const one of steps) {
          if (one.kind === "put") put(log, one.name, one.peers);
          else if (one.kind === "gone") put(log, one.name, undefined);
          else if (one.kind === "read") clientOf(one.who).read(one.steps);
          else clientOf(one.who).cut();
        }
        for (const [who, selection] of selections.entries()) {
          const client = clientOf(who);
          assert.ok(client.read(1_000));
          assert.ok(client.isSynced);
          const there = log.present(APPS).filter((each) => each.told && selection.wants(each, each.told));
          assert.deepEqual([...client.known].sort(), there.map((each) => [each.name, each.number]).sort());
        }
      }),
      { numRuns: 4_000 },
    );
  });
});
