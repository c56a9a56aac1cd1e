/** Chance that a seed decides: the same seed, the same numbers, on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds are to have nothing in common.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
    this.next();
  }

  /** From 0 up to 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both bounds included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** Any number between the two. */
  amid(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  /** Small ones as often as large ones. */
  magnitude(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.next());
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(all: readonly [T, ...T[]]): T {
    return all[Math.floor(this.next() * all.length)] ?? all[0];
  }

  /** Chance of its own, so that what draws more there changes nothing here. */
  fork(): Random {
    return new Random(this.between(0, 2 ** 32 - 1));
  }
}
