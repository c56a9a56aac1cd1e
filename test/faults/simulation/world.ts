/**
 * Everything that happens, one event after the other, at a time that only events move. Each event belongs to the process of
 * an agent, or to the network. It runs as a macrotask of Node's own, in front of which nothing is left of the one before: ticks
 * and microtasks are run to their end by Node between two immediates, and nothing else of the simulation waits for Node.
 */
import { type Clock, sleepOn, type Timer } from "../../../src/base/clock.ts";
import type { Random } from "./random.ts";

/** Before any global was put in its place. */
const nextMacrotask = globalThis.setImmediate;
const epochMs = Date.UTC(2026, 0, 1);
/** Further events of one process are that much later, about: what a processor needs for one. */
const shortestTurnMs = 0.002;
const longestTurnMs = 0.05;

/** One life of an agent's process: what is killed never runs again. */
export interface Life {
  readonly name: string;
  readonly alive: boolean;
  readonly clock: Clock;
  /** Timers and turns that wait. */
  readonly waiting: number;
  /** Runs later in this life. The time is that of the world's clock, in milliseconds. */
  at(time: number, what: string, run: () => void): Timer;
  /** In so many milliseconds of the machine's monotonic clock, at least 1 as with Node's timers; it stands still while the machine sleeps. */
  after(ms: number, what: string, run: () => void): Timer;
  /** Runs in a later turn of its event loop, behind those that were asked for before. */
  soon(what: string, run: () => void): Timer;
  /** The machine gives the process no time: all that is due comes later, in its order. */
  hold(forMs: number): void;
  /** The machine sleeps: as `hold`, and what is timed by its monotonic clock comes later by as much, while the wall clock leaps. */
  sleep(forMs: number): void;
  /** It was held at some time. */
  readonly wasHeld: boolean;
  /** Sets the wall clock. */
  shiftWall(byMs: number): void;
  kill(): void;
}

interface Event {
  at: number;
  readonly order: number;
  readonly life: LifeOfProcess | undefined;
  readonly what: string;
  run: (() => void) | undefined;
  /** On a timer: for how long its machine had slept when it was last looked at. */
  sleptMs?: number;
}

export class World {
  readonly random: Random;
  readonly #log: ((line: string) => void) | undefined;
  readonly #maxEvents: number;
  readonly #heap: Event[] = [];
  #now = 0;
  #orders = 0;
  #events = 0;
  #life: LifeOfProcess | undefined;
  #failure: unknown;

  constructor(o: { random: Random; maxEvents: number; log?: ((line: string) => void) | undefined }) {
    this.random = o.random;
    this.#log = o.log;
    this.#maxEvents = o.maxEvents;
  }

  /** Milliseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  get events(): number {
    return this.#events;
  }

  /** The process whose event runs. */
  get life(): Life | undefined {
    return this.#life;
  }

  /** Whether lines are kept; what it costs to write one need not be spent otherwise. */
  get logged(): boolean {
    return this.#log !== undefined;
  }

  log(line: string): void {
    this.#log?.(`${this.#now.toFixed(3)} ${this.#life?.name ?? "-"} ${line}`);
  }

  /** The first is kept, and ends the run. */
  fail(failure: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure ?? new Error("Something failed and did not say what.");
    this.log(`FAILED ${failure instanceof Error ? failure.message : String(failure)}`);
  }

  begin(name: string): Life {
    return new LifeOfProcess(this, name);
  }

  /** Of the network itself, whatever happens to processes. */
  at(time: number, what: string, run: () => void): Timer {
    return this.push(time, undefined, what, run);
  }

  push(time: number, life: LifeOfProcess | undefined, what: string, run: () => void, sleptMs?: number): Timer {
    const event: Event = { at: Math.max(time, this.#now), order: this.#orders++, life, what, run };
    if (sleptMs !== undefined) event.sleptMs = sleptMs;
    if (life !== undefined) life.waiting += 1;
    this.#add(event);
    return {
      cancel: () => {
        if (event.run !== undefined && life !== undefined) life.waiting -= 1;
        event.run = undefined;
      },
      unref: () => undefined,
    };
  }

  /**
   * Runs until `done`, until nothing is left to happen ("idle"), or until `end`, to which time then moves ("late"). Throws the
   * first failure.
   */
  async run(end: number, done: () => boolean): Promise<"done" | "idle" | "late"> {
    const outcome = await new Promise<"done" | "idle" | "late" | "failed">((resolve) => {
      const step = (): void => {
        // What the event before has caused belonged to its process until here.
        this.#life = undefined;
        const next = this.#next(end, done);
        if (typeof next === "string") {
          resolve(next);
          return;
        }
        nextMacrotask(step);
        this.#happen(next);
      };
      nextMacrotask(step);
    });
    if (outcome === "failed") throw this.#failure;
    return outcome;
  }

  /** The event that comes next, or why there is none. */
  #next(end: number, done: () => boolean): Event | "done" | "idle" | "late" | "failed" {
    if (this.#failure !== undefined) return "failed";
    if (done()) return "done";
    const event = this.#take();
    if (event === undefined) return "idle";
    if (event.at <= end) return event;
    this.#add(event);
    this.#now = Math.max(this.#now, end);
    return "late";
  }

  #happen(event: Event): void {
    this.#now = event.at;
    this.#events += 1;
    if (this.#events > this.#maxEvents) this.fail(new Error(`${this.#maxEvents} events, and no end of them.`));
    const { life, run } = event;
    if (life !== undefined) life.waiting -= 1;
    event.run = undefined;
    this.#life = life;
    this.log(event.what);
    try {
      run?.();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The next one that is to run, with those left out that were taken back or whose process is held. */
  #take(): Event | undefined {
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return undefined;
      const { life, run } = event;
      if (run === undefined || life?.alive === false) continue;
      if (life !== undefined && event.sleptMs !== undefined && event.sleptMs < life.sleptMs) {
        event.at += life.sleptMs - event.sleptMs;
        event.sleptMs = life.sleptMs;
        this.#add(event);
        continue;
      }
      if (life !== undefined && life.heldUntil > event.at) {
        event.at = life.heldUntil;
        this.#add(event);
        continue;
      }
      return event;
    }
  }

  #add(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = heap[above];
      if (other === undefined || !isBefore(event, other)) break;
      heap[at] = other;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let next = at * 2 + 1;
      let below = heap[next];
      const right = heap[next + 1];
      if (below === undefined) break;
      if (right !== undefined && isBefore(right, below)) {
        below = right;
        next += 1;
      }
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = next;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

class LifeOfProcess implements Life {
  readonly name: string;
  readonly clock: Clock;
  alive = true;
  waiting = 0;
  heldUntil = 0;
  sleptMs = 0;
  readonly #world: World;
  #wallShift = 0;
  #lastTurn = 0;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    const after = (ms: number, run: () => void): Timer => this.after(ms, "timer", run);
    this.clock = {
      now: () => epochMs + world.now + this.#wallShift,
      monotonic: () => world.now - this.sleptMs,
      after,
      sleep: (ms, signal) => sleepOn(after, ms, signal),
    };
  }

  at(time: number, what: string, run: () => void): Timer {
    return this.#world.push(time, this, what, run);
  }

  after(ms: number, what: string, run: () => void): Timer {
    return this.#world.push(this.#world.now + Math.max(1, ms), this, what, run, this.sleptMs);
  }

  soon(what: string, run: () => void): Timer {
    const turn = this.#world.now + this.#world.random.amid(shortestTurnMs, longestTurnMs);
    this.#lastTurn = Math.max(this.#lastTurn, turn);
    return this.at(this.#lastTurn, what, run);
  }

  get wasHeld(): boolean {
    return this.heldUntil > 0;
  }

  hold(forMs: number): void {
    this.heldUntil = Math.max(this.heldUntil, this.#world.now + forMs);
  }

  sleep(forMs: number): void {
    const before = Math.max(this.heldUntil, this.#world.now);
    this.hold(forMs);
    this.sleptMs += Math.max(0, this.heldUntil - before);
  }

  shiftWall(byMs: number): void {
    this.#wallShift += byMs;
  }

  kill(): void {
    this.alive = false;
  }
}
