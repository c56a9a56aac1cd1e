/** What peers' apps ask for together: sums that are kept, so that a question costs the same however many apps run. */
import { addAmounts, noAmounts, subtractAmounts } from "./amounts.ts";
import type { Demand } from "./demand.ts";
import { normaliseImage } from "./image.ts";
import type { Amounts } from "./quantity.ts";

export interface Usage {
  readonly apps: number;
  readonly amounts: Amounts;
}

/** Whose app it is, and which. */
export interface UsageOwner {
  readonly fingerprint: string;
  /** Names the app among those of its peer. */
  readonly key: string;
}

/** What an app takes of the room here. */
export type Taken = Pick<Demand, "images" | "total">;

/** Whether an image is among them, by its normalised name. */
export type ImageSet = Pick<ReadonlySet<string>, "has">;

interface Account {
  readonly demands: Map<string, Taken>;
  /** How many apps have the image, by its normalised name. */
  readonly images: Map<string, number>;
  amounts: Amounts;
}

/** What was admitted. Whoever admits says so in the same turn, so that two wishes at once never both have the last place. */
export class UsageLedger {
  readonly #accounts = new Map<string, Account>();
  #apps = 0;
  #amounts: Amounts = noAmounts;

  /** States what an app asks for now; undefined when it is no more. */
  set({ fingerprint, key }: UsageOwner, demand: Taken | undefined): void {
    const account = this.#accounts.get(fingerprint) ?? { demands: new Map(), images: new Map(), amounts: noAmounts };
    const before = account.demands.get(key);
    if (before) {
      account.demands.delete(key);
      account.amounts = subtractAmounts(account.amounts, before.total);
      this.#amounts = subtractAmounts(this.#amounts, before.total);
      this.#apps -= 1;
      for (const image of imagesOf(before)) count(account.images, image, -1);
    }
    if (demand) {
      account.demands.set(key, demand);
      account.amounts = addAmounts(account.amounts, demand.total);
      this.#amounts = addAmounts(this.#amounts, demand.total);
      this.#apps += 1;
      for (const image of imagesOf(demand)) count(account.images, image, 1);
    }
    if (account.demands.size > 0) this.#accounts.set(fingerprint, account);
    else this.#accounts.delete(fingerprint);
  }

  /** How many peers have anything here. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Of a peer's apps, without the one. */
  of(fingerprint: string, exceptKey: string): Usage {
    const account = this.#accounts.get(fingerprint);
    if (!account) return { apps: 0, amounts: noAmounts };
    return without(account.demands.size, account.amounts, account.demands.get(exceptKey));
  }

  /** Of all peers' apps, without the one. */
  total(except: UsageOwner): Usage {
    return without(this.#apps, this.#amounts, this.#accounts.get(except.fingerprint)?.demands.get(except.key));
  }

  /** The images of a peer's apps, without those that only the one app has. A view: it shows what is so when it is asked. */
  images(fingerprint: string, exceptKey: string): ImageSet {
    return {
      has: (image) => {
        const account = this.#accounts.get(fingerprint);
        const own = account?.demands.get(exceptKey);
        const others = (account?.images.get(image) ?? 0) - (own && imagesOf(own).has(image) ? 1 : 0);
        return others > 0;
      },
    };
  }
}

function without(apps: number, amounts: Amounts, one: Taken | undefined): Usage {
  return one ? { apps: apps - 1, amounts: subtractAmounts(amounts, one.total) } : { apps, amounts };
}

function imagesOf(demand: Taken): ReadonlySet<string> {
  return new Set(demand.images.map(normaliseImage));
}

function count(counts: Map<string, number>, image: string, by: number): void {
  const now = (counts.get(image) ?? 0) + by;
  if (now > 0) counts.set(image, now);
  else counts.delete(image);
}
