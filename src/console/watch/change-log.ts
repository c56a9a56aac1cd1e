/**
 * What there is, and in which order it last changed: one log for all watches. It holds each thing once, as it is now, under the
 * number of its latest change, and for a while what has gone. A watch is a place in it, so that one which reads slowly costs
 * nothing, and finds of each thing the latest state.
 */
import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import { ChangeTexts, Logged, type Ref, type Told, type Traits, type View } from "./logged.ts";

export interface ChangeLogDeps {
  readonly clock: Clock;
  /** Changes within so many milliseconds are announced together; the first one at once. 50 unless given. */
  readonly gatherMs?: number;
  /** Of each topic, things that have gone and are remembered; 4,096 unless given. */
  readonly mostGone?: number;
  /** How often a thing may have changed who sees it, and all of that is remembered; 16 unless given. */
  readonly mostViews?: number;
}

interface Held {
  /** By `keyOf`, those that have gone among them. */
  readonly things: Map<string, Logged>;
  /** The one that went first comes first. */
  readonly gone: Set<Logged>;
  /** Who was told all up to a lower number may have missed that something went. */
  floor: number;
}

export class ChangeLog {
  /** Names this log: numbers of another one mean nothing here. */
  readonly instance: string = randomBytes(9).toString("base64url");
  readonly #clock: Clock;
  readonly #gatherMs: number;
  readonly #mostGone: number;
  readonly #mostViews: number;
  readonly #topics = new Map<Topic, Held>();
  readonly #texts = new ChangeTexts();
  readonly #listeners = new Set<() => void>();
  /** By number, those that have changed again since among them. */
  #order: Logged[] = [];
  #live = 0;
  #head = 0;
  #due: Timer | undefined;
  #announcedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: ChangeLogDeps) {
    this.#clock = deps.clock;
    this.#gatherMs = deps.gatherMs ?? 50;
    this.#mostGone = deps.mostGone ?? 4_096;
    this.#mostViews = deps.mostViews ?? 16;
  }

  /** The number of the latest change. */
  get head(): number {
    return this.#head;
  }

  /** The thing is as it is told now; undefined: it is gone. What is not known cannot go. */
  put(topic: Topic, ref: Ref, told: Told | undefined): void {
    const held = this.#heldOf(topic);
    const key = keyOf(ref);
    const before = held.things.get(key);
    if (!told && !before?.told) return;
    this.#head += 1;
    const number = this.#head;
    const views = this.#viewsWith(held, before?.views, { from: number, traits: told && traitsOf(told) });
    const now = new Logged(this.#texts, { number, topic, ref, told, views });
    if (before) this.#supersede(held, before);
    held.things.set(key, now);
    this.#order.push(now);
    this.#live += 1;
    if (!told) this.#remember(held, now);
    if (this.#order.length > 2 * this.#live + 1_024) this.#order = this.#order.filter((one) => !one.isSuperseded);
    this.#announce();
  }

  /** The thing is not told any more, without a word: whoever has not been told of it by now may not know that it was there. */
  forget(topic: Topic, ref: Ref): void {
    const held = this.#heldOf(topic);
    const found = held.things.get(keyOf(ref));
    if (!found) return;
    this.#drop(held, found);
  }

  get(topic: Topic, ref: Ref): Logged | undefined {
    return this.#topics.get(topic)?.things.get(keyOf(ref));
  }

  /** What there is of a topic. */
  present(topic: Topic): Logged[] {
    return [...(this.#topics.get(topic)?.things.values() ?? [])].filter(({ told }) => told !== undefined);
  }

  /** The first change after this number. */
  next(after: number): Logged | undefined {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle]?.number ?? 0) > after) high = middle;
      else low = middle + 1;
    }
    while (this.#order[low]?.isSuperseded) low += 1;
    return this.#order[low];
  }

  /** Who was told everything of these topics up to this number or a later one can go on there. */
  floor(topics: Iterable<Topic>): number {
    let highest = 0;
    for (const topic of topics) highest = Math.max(highest, this.#topics.get(topic)?.floor ?? 0);
    return highest;
  }

  /** Calls the listener after changes: soon, and not for each. Returns what ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#due?.cancel();
    this.#listeners.clear();
  }

  #heldOf(topic: Topic): Held {
    const known = this.#topics.get(topic);
    if (known) return known;
    const held: Held = { things: new Map(), gone: new Set(), floor: 0 };
    this.#topics.set(topic, held);
    return held;
  }

  #viewsWith(held: Held, before: readonly View[] | undefined, now: View): readonly View[] {
    const last = before?.at(-1);
    if (!before || !last) return [now];
    if (isDeepStrictEqual(last.traits, now.traits)) return before;
    const kept = before.slice(Math.max(0, before.length + 1 - this.#mostViews));
    // Of a time before the first view that is kept, nobody knows who saw it.
    if (kept.length < before.length) held.floor = Math.max(held.floor, kept[0]?.from ?? now.from);
    return [...kept, now];
  }

  #remember(held: Held, gone: Logged): void {
    held.gone.add(gone);
    const [oldest] = held.gone;
    if (held.gone.size > this.#mostGone && oldest) this.#drop(held, oldest);
  }

  #drop(held: Held, one: Logged): void {
    this.#supersede(held, one);
    held.things.delete(keyOf(one));
    held.floor = Math.max(held.floor, one.number);
  }

  #supersede(held: Held, one: Logged): void {
    one.isSuperseded = true;
    held.gone.delete(one);
    this.#texts.release(one);
    this.#live -= 1;
  }

  #announce(): void {
    if (this.#due || this.#listeners.size === 0) return;
    const waitMs = Math.max(0, this.#announcedAt + this.#gatherMs - this.#clock.monotonic());
    this.#due = this.#clock.after(waitMs, () => {
      this.#due = undefined;
      this.#announcedAt = this.#clock.monotonic();
      for (const listener of [...this.#listeners]) listener();
    });
    this.#due.unref?.();
  }
}

function keyOf({ namespace, name }: Ref): string {
  return `${namespace}/${name}`;
}

/** Nothing of the thing itself, which would be kept as long as they are. */
function traitsOf({ peers, about, owner, labels = {} }: Told): Traits {
  return {
    ...{ peers, about },
    ...(owner !== undefined && { owner }),
    ...(Object.keys(labels).length > 0 && { labels }),
  };
}
