/** A waiting line in which nobody takes the places of others: each has a few of them, and it is everybody's turn in turn. */

/** Who waits: by the account it is about and, where that is told apart, by where they come from. */
export interface Waiter {
  readonly account: string;
  readonly network?: string | undefined;
}

export interface FairLine {
  /** Waits to be begun; the answer leaves the line again. Undefined when there is no place. */
  join(waiter: Waiter, begin: () => void): (() => void) | undefined;
  /** Takes out whose turn it is. Accounts come in turn, and each one's own in the order in which they came. */
  next(): (() => void) | undefined;
}

interface Place {
  readonly waiter: Waiter;
  begin(): void;
}

/** Places in all, of one account, and of one network. */
export interface FairLinePlaces {
  readonly most: number;
  readonly ofAccount: number;
  readonly ofNetwork: number;
}

export function createFairLine({ most, ofAccount, ofNetwork }: FairLinePlaces): FairLine {
  /** By account, the one whose turn is next first. None is empty. */
  const accounts = new Map<string, Place[]>();
  const waiting = (): Place[] => [...accounts.values()].flat();

  return {
    join(waiter, begin) {
      const { account, network } = waiter;
      const all = waiting();
      const own = accounts.get(account) ?? [];
      const fromThere = all.filter((place) => network !== undefined && place.waiter.network === network);
      if (all.length >= most || own.length >= ofAccount || fromThere.length >= ofNetwork) return undefined;
      const place = { waiter, begin };
      accounts.set(account, own);
      own.push(place);
      return () => {
        const at = own.indexOf(place);
        if (at >= 0) own.splice(at, 1);
        if (own.length === 0 && accounts.get(account) === own) accounts.delete(account);
      };
    },

    next() {
      const [first] = accounts;
      if (!first) return undefined;
      const [account, places] = first;
      const place = places.shift();
      accounts.delete(account);
      if (places.length > 0) accounts.set(account, places);
      return place?.begin;
    },
  };
}
