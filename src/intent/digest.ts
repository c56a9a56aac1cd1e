import { intentLimits, type WishHead } from "./wish.ts";

/** A page of a digest, as intent.proto has it but without its numbers' 64 bits. */
export interface Page<T> {
  readonly entries: readonly T[];
  readonly complete: boolean;
}

/** Cuts a list into pages; the last one, and only it, is complete. An empty list is one empty page. */
export function* pages<T>(all: Iterable<T>, size: number = intentLimits.page): Generator<Page<T>> {
  let entries: T[] = [];
  for (const entry of all) {
    if (entries.length === size) {
      yield { entries, complete: false };
      entries = [];
    }
    entries.push(entry);
  }
  yield { entries, complete: true };
}

/** Gathers the pages of the other end's digest, and refuses more than the bound. */
export class DigestReader {
  readonly #entries = new Map<string, WishHead>();
  #complete = false;
  readonly #limit: number;

  constructor(limit: number = intentLimits.objects) {
    this.#limit = limit;
  }

  get complete(): boolean {
    return this.#complete;
  }

  /** What was read so far, by UID. */
  get entries(): ReadonlyMap<string, WishHead> {
    return this.#entries;
  }

  /** True when this page completed the digest. Throws a RangeError beyond the bound or after the end. */
  add(page: Page<WishHead>): boolean {
    if (this.#complete) throw new RangeError("a page of a digest came after the last one");
    for (const entry of page.entries) this.#entries.set(entry.uid, entry);
    if (this.#entries.size > this.#limit) {
      throw new RangeError(
        `a digest names more than ${this.#limit} objects, which is the most that one peer may have here`,
      );
    }
    this.#complete = page.complete;
    return page.complete;
  }
}

/**
 * What the origin must say after both digests: the wishes that the host lacks or holds differently, and every deletion.
 * The generation does not count: the origin's present word wins, also when a backup made it an older one.
 */
export function toSay(
  wished: Iterable<WishHead & { readonly deleted: boolean }>,
  held: ReadonlyMap<string, WishHead>,
): { say: string[]; equal: WishHead[] } {
  const say: string[] = [];
  const equal: WishHead[] = [];
  for (const head of wished) {
    if (!head.deleted && held.get(head.uid)?.hash === head.hash) equal.push(head);
    else say.push(head.uid);
  }
  return { say, equal };
}

/** What the host must do after both digests: whose state is news to the origin at once, and who is an orphan. */
export function toShow(
  held: Iterable<WishHead>,
  wished: ReadonlyMap<string, WishHead>,
): { current: string[]; orphans: string[] } {
  const current: string[] = [];
  const orphans: string[] = [];
  for (const head of held) {
    const wish = wished.get(head.uid);
    if (!wish) orphans.push(head.uid);
    else if (wish.hash === head.hash) current.push(head.uid);
  }
  return { current, orphans };
}
