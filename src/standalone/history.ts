/** What happened to objects of late, for those who watch. */
import type { JsonObject } from "../kube/object.ts";

export interface ObjectEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly sequence: number;
  /** The kind's plural. */
  readonly kind: string;
  readonly object: JsonObject;
}

/** Events that are remembered; who is further behind has to list again. */
const mostEvents = 1_000;

export class History {
  /** The number of the last event that is not remembered any more. */
  #before: number;
  #events: ObjectEvent[] = [];
  #news = Promise.withResolvers<void>();

  constructor(sequence: number) {
    this.#before = sequence;
  }

  add(event: ObjectEvent): void {
    this.#events.push(event);
    if (this.#events.length > mostEvents) this.#before = this.#events.shift()?.sequence ?? this.#before;
    const told = this.#news;
    this.#news = Promise.withResolvers<void>();
    told.resolve();
  }

  /** What came after that number; undefined when not all of it is known. */
  after(sequence: number): readonly ObjectEvent[] | undefined {
    if (sequence < this.#before) return undefined;
    return this.#events.filter((event) => event.sequence > sequence);
  }

  /** Resolves with the next event. */
  next(): Promise<void> {
    return this.#news.promise;
  }
}
