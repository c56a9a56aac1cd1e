/** Targets that peers want to reach for the first time, and that wait for a person's word. In memory: who still wants one asks again. */
import type { NamedTarget } from "../wire/target-text.ts";

export interface PendingDial {
  /** Who asks, as the link proves it. */
  readonly fingerprint: string;
  /** As people read it: "app/shop/web". */
  readonly name: string;
  readonly target: NamedTarget;
  /** When it was asked for first and last, in milliseconds since 1970. */
  readonly since: number;
  readonly lastAskedAt: number;
  readonly count: number;
}

const mostPerPeer = 32;
const mostInAll = 1_024;

/** One entry for each target of a peer. Where there is no room for one more, the oldest goes. */
export class PendingDials {
  /** By fingerprint, then by the target's name; in the order in which they were asked for first. */
  readonly #byPeer = new Map<string, Map<string, PendingDial>>();
  readonly #listeners = new Set<() => void>();
  #size = 0;

  /** Told when a target begins to wait, or waits no longer; not when it is asked for again. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get size(): number {
    return this.#size;
  }

  /** Somebody asks for it, perhaps again. */
  ask(fingerprint: string, name: string, target: NamedTarget, now: number): PendingDial {
    const known = this.get(fingerprint, name);
    const dial = known
      ? { ...known, target, lastAskedAt: now, count: known.count + 1 }
      : { fingerprint, name, target, since: now, lastAskedAt: now, count: 1 };
    if (!known) this.#makeRoom(fingerprint);
    const own = this.#byPeer.get(fingerprint) ?? new Map<string, PendingDial>();
    this.#byPeer.set(fingerprint, own.set(name, dial));
    if (!known) {
      this.#size += 1;
      this.#tell();
    }
    return dial;
  }

  get(fingerprint: string, name: string): PendingDial | undefined {
    return this.#byPeer.get(fingerprint)?.get(name);
  }

  /** It waits no longer. */
  delete(fingerprint: string, name: string): void {
    const own = this.#byPeer.get(fingerprint);
    if (!own?.delete(name)) return;
    this.#size -= 1;
    if (own.size === 0) this.#byPeer.delete(fingerprint);
    this.#tell();
  }

  /** All that wait, those first that wait longest. */
  list(): PendingDial[] {
    return [...this.#byPeer.values()].flatMap((own) => [...own.values()]).sort((a, b) => a.since - b.since);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #makeRoom(fingerprint: string): void {
    const own = this.#byPeer.get(fingerprint);
    const oldest = own && own.size >= mostPerPeer ? first(own) : this.#size >= mostInAll ? this.#oldest() : undefined;
    if (oldest) this.delete(oldest.fingerprint, oldest.name);
  }

  #oldest(): PendingDial | undefined {
    let oldest: PendingDial | undefined;
    for (const own of this.#byPeer.values()) {
      const one = first(own);
      if (one && (!oldest || one.since < oldest.since)) oldest = one;
    }
    return oldest;
  }
}

function first<T>(entries: ReadonlyMap<string, T>): T | undefined {
  for (const entry of entries.values()) return entry;
  return undefined;
}
