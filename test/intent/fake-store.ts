import type { Held, HeldStore } from "../../src/intent/held-store.ts";
import { createPendingBytes, type PendingBytes } from "../../src/intent/pending-bytes.ts";
import type { Refusal, Wish } from "../../src/intent/wish.ts";
import { createFakeClock } from "../base/fake-clock.ts";

/** Room for all that a test sends. */
export function roomy(): PendingBytes {
  const most = { each: Number.POSITIVE_INFINITY, all: Number.POSITIVE_INFINITY };
  return createPendingBytes({ most, clock: createFakeClock() });
}

/** Holds wishes in memory; what it refuses and when it fails is up to the test. */
export class FakeStore implements HeldStore {
  readonly objects = new Map<string, Held>();
  /** What was asked, in order: "put a 1", "remove a". */
  readonly asked: string[] = [];
  refuse: (wish: Wish) => Refusal | undefined = () => undefined;
  fail: (call: string) => Error | undefined = () => undefined;
  /** What a put that was carried out answers all the same. */
  loseAnswer: () => Error | undefined = () => undefined;
  /** Deletion takes until `finish`. */
  slow = false;
  readonly dying = new Set<string>();
  readonly #listeners = new Set<(uid: string) => void>();

  async ready(): Promise<void> {}
  list(): Iterable<Held> {
    return this.objects.values();
  }
  get(uid: string): Held | undefined {
    return this.objects.get(uid);
  }
  count(): number {
    return this.objects.size;
  }
  bytes(): number {
    return [...this.objects.values()].reduce((sum, { spec }) => sum + spec.length, 0);
  }

  async put(wish: Wish): Promise<"done" | "later" | Refusal> {
    this.#note(`put ${wish.uid} ${wish.generation}`);
    if (this.dying.has(wish.uid)) return "later";
    const refusal = this.refuse(wish);
    if (refusal) return refusal;
    this.set({ ...wish, status: `status of ${wish.hash}` });
    const lost = this.loseAnswer();
    if (lost) throw lost;
    return "done";
  }

  async remove(uid: string): Promise<void> {
    this.#note(`remove ${uid}`);
    this.dying.add(uid);
    if (!this.slow) this.finish(uid);
  }

  /** The end of a deletion, or somebody else's. */
  finish(uid: string): void {
    this.dying.delete(uid);
    this.objects.delete(uid);
    this.#tell(uid);
  }

  async setOrphan(uid: string, orphan: boolean): Promise<void> {
    this.#note(`${orphan ? "mark" : "unmark"} ${uid}`);
    const held = this.objects.get(uid);
    if (!held) return;
    const { orphanedSince: _, ...rest } = held;
    this.set(orphan ? { ...rest, orphanedSince: "2026-01-01T00:00:00Z" } : rest);
  }

  subscribe(fn: (uid: string) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  set(held: Held): void {
    this.objects.set(held.uid, held);
    this.#tell(held.uid);
  }

  #note(call: string): void {
    const error = this.fail(call);
    if (error) throw error;
    this.asked.push(call);
  }

  #tell(uid: string): void {
    for (const fn of this.#listeners) fn(uid);
  }
}
