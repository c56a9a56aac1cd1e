import { isIPv4, isIPv6 } from "node:net";

/** How many connections may be open of which nobody knows yet whose they are. */
export interface StrangerLimits {
  readonly total: number;
  /** From one IPv4 address, or one /64 of IPv6, which is what one host can choose from. */
  readonly perAddress: number;
}

/**
 * Holds strangers to a number. When it is reached, the one that has not come further for longest is cut to make room: honest agents go on at
 * once and prove themselves within a second, so whoever only holds on holds up nobody but others of their kind.
 */
export class Strangers {
  readonly #limits: StrangerLimits;
  /** In the order in which they came, or came further: Sets keep it. */
  readonly #byGroup = new Map<string, Set<Stranger>>();
  readonly #all = new Set<Stranger>();

  constructor(limits: StrangerLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  /** Takes one in. `cut` ends its connection; it is called at most once, and not after `release`. */
  admit(address: string | undefined, cut: () => void): Stranger {
    const group = groupOf(address ?? "");
    const stranger: Stranger = { group, cut };
    const neighbours = this.#byGroup.get(group) ?? new Set();
    if (neighbours.size >= this.#limits.perAddress) this.#evict(neighbours);
    else if (this.#all.size >= this.#limits.total) this.#evict(this.#all);
    neighbours.add(stranger);
    this.#byGroup.set(group, neighbours);
    this.#all.add(stranger);
    return stranger;
  }

  /** It has come further on its way to a link, so that it may wait again as long as one that comes now. Harmless when it is gone. */
  advance(stranger: Stranger): void {
    const neighbours = this.#byGroup.get(stranger.group);
    if (!this.#all.delete(stranger) || !neighbours?.delete(stranger)) return;
    this.#all.add(stranger);
    neighbours.add(stranger);
  }

  /** It is known, or gone. Harmless when it was released or cut before. */
  release(stranger: Stranger): void {
    this.#all.delete(stranger);
    const neighbours = this.#byGroup.get(stranger.group);
    neighbours?.delete(stranger);
    if (neighbours?.size === 0) this.#byGroup.delete(stranger.group);
  }

  cutAll(): void {
    for (const stranger of [...this.#all]) {
      this.release(stranger);
      stranger.cut();
    }
  }

  #evict(from: ReadonlySet<Stranger>): void {
    const [oldest] = from;
    if (!oldest) return;
    this.release(oldest);
    oldest.cut();
  }
}

export interface Stranger {
  readonly group: string;
  readonly cut: () => void;
}

/** What counts as one address. */
export function groupOf(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped && isIPv4(mapped)) return mapped;
  const [plain = ""] = address.split("%");
  if (!isIPv6(plain)) return address;
  const [head = "", tail] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array<string>(Math.max(0, zeros)).fill("0"), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
