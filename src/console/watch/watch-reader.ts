/** One watch's place in the log of changes, and what comes next for it. Pure. */
import { Reset_Reason as Reason, type Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { ChangeLog } from "./change-log.ts";
import type { Logged, Ref, Traits } from "./logged.ts";

/** What a watch is of. */
export interface Selection {
  readonly topics: ReadonlySet<Topic>;
  /** Whether it tells this thing, when it has these traits. */
  wants(one: Pick<Logged, "topic" | "namespace" | "name">, traits: Traits): boolean;
  /** How many things of a topic it begins with: the latest. */
  mostAtFirst(topic: Topic): number;
}

/**
 * Where a watch is. All up to `settled` was told as it was then; of what changed up to `read` after that, all that had not
 * changed again before its turn came.
 */
export interface Position {
  readonly settled: number;
  readonly read: number;
}

export type Step =
  | { readonly kind: "change"; readonly one: Logged; readonly gone: boolean }
  | { readonly kind: "synced" }
  | { readonly kind: "reset"; readonly reason: Reason };

export class WatchReader {
  readonly #log: ChangeLog;
  #selection: Selection;
  #settled = 0;
  #read = 0;
  #reset: Reason | undefined;
  /** What there was when it began and has not been told. */
  #first: Iterator<Ref & { readonly topic: Topic }> | undefined;
  /** By thing, the number of a change after its beginning that was told, or was seen not to be for it, with what there was. */
  readonly #ahead = new Map<string, number>();
  /** What was read since all was settled, and whether it was told as there. */
  readonly #since = new Map<string, boolean>();
  /** Of what was read up to here since all was settled, by the watch that this one goes on from, only the numbers are known. */
  #resumed = 0;
  /** Up to where it reads before it is whole. */
  #syncTo = 0;
  #isSynced = false;

  /** From the position, or else from the beginning. */
  constructor(log: ChangeLog, selection: Selection, from?: Position) {
    this.#log = log;
    this.#selection = selection;
    if (from && from.read > log.head) this.beginAnew(selection, Reason.OTHER_INSTANCE);
    else if (from) {
      this.#settled = from.settled;
      this.#read = from.read;
      this.#resumed = from.read;
      this.#syncTo = log.head;
    } else this.#begin();
  }

  /** Where it is; undefined until what there was at the beginning has been told. */
  get position(): Position | undefined {
    if (this.#reset !== undefined || this.#first || this.#ahead.size > 0) return undefined;
    return { settled: this.#settled, read: this.#read };
  }

  beginAnew(selection: Selection, reason: Reason): void {
    this.#selection = selection;
    this.#begin();
    this.#reset = reason;
  }

  /** Undefined when there is nothing to tell now. */
  next(): Step | undefined {
    const step = this.#nextReset() ?? this.#nextOfFirst();
    if (step) return step;
    // Not before what there was has been told: whoever reads that slowly would begin anew for ever.
    if (this.#settled < this.#log.floor(this.#selection.topics)) {
      this.beginAnew(this.#selection, Reason.TOO_OLD);
      return this.#nextReset();
    }
    return this.#nextChange();
  }

  #nextReset(): Step | undefined {
    const reason = this.#reset;
    this.#reset = undefined;
    return reason === undefined ? undefined : { kind: "reset", reason };
  }

  #begin(): void {
    const { topics, mostAtFirst } = this.#selection;
    this.#settled = this.#log.head;
    this.#read = this.#settled;
    this.#resumed = this.#settled;
    this.#syncTo = this.#settled;
    this.#isSynced = false;
    this.#ahead.clear();
    this.#since.clear();
    const first: (Ref & { topic: Topic })[] = [];
    for (const topic of topics) {
      // Names, and not what they name: what changes before it is told must not be kept for whoever reads slowly.
      const present = this.#log.present(topic).slice(-mostAtFirst(topic));
      for (const { namespace, name } of present) first.push({ topic, namespace, name });
    }
    this.#first = first.values();
  }

  #nextOfFirst(): Step | undefined {
    while (this.#first) {
      const { value: ref, done } = this.#first.next();
      if (done) {
        this.#first = undefined;
        return undefined;
      }
      const one = this.#log.get(ref.topic, ref);
      if (!one) continue;
      const shown = this.#shows(one);
      if (one.number > this.#settled) {
        this.#ahead.set(one.key, one.number);
        this.#since.set(one.key, shown);
        this.#syncTo = Math.max(this.#syncTo, one.number);
      }
      if (shown) return { kind: "change", one, gone: false };
    }
    return undefined;
  }

  #nextChange(): Step | undefined {
    for (;;) {
      const one = this.#log.next(this.#read);
      if (!one || one.number > this.#syncTo) {
        this.#ahead.clear();
        if (!one) this.#settle();
        if (!this.#isSynced) {
          this.#isSynced = true;
          return { kind: "synced" };
        }
        if (!one) return undefined;
      }
      this.#read = one.number;
      if (!this.#selection.topics.has(one.topic) || this.#ahead.get(one.key) === one.number) continue;
      const wasShown = this.#since.get(one.key) ?? this.#wasShown(one);
      const shown = this.#shows(one);
      this.#since.set(one.key, shown);
      if (shown || wasShown) return { kind: "change", one, gone: !shown };
    }
  }

  /** Everything up to now is told as it is now. */
  #settle(): void {
    this.#read = this.#log.head;
    this.#settled = this.#read;
    this.#resumed = this.#read;
    this.#since.clear();
  }

  #shows(one: Logged): boolean {
    return one.told !== undefined && this.#selection.wants(one, one.told);
  }

  /** Whether it was for this watch when all was settled, or may have been told by the one that this goes on from. */
  #wasShown(one: Logged): boolean {
    return one.views.some(({ from, traits }, index) => {
      const until = one.views[index + 1]?.from ?? Number.POSITIVE_INFINITY;
      return (
        traits !== undefined && from <= this.#resumed && until > this.#settled && this.#selection.wants(one, traits)
      );
    });
  }
}
