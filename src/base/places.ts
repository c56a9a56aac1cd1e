/** Places that are taken and given back: so many of one, and so many of all. */
export interface Places {
  /** Takes one; the answer gives it back. Or whose places are all taken. */
  take(who: string): (() => void) | "own" | "all";
}

export function createPlaces(most: { readonly ofOne: number; readonly all: number }): Places {
  const taken = new Map<string, number>();
  let all = 0;
  return {
    take(who) {
      const own = taken.get(who) ?? 0;
      if (own >= most.ofOne) return "own";
      if (all >= most.all) return "all";
      taken.set(who, own + 1);
      all += 1;
      let isBack = false;
      return () => {
        if (isBack) return;
        isBack = true;
        all -= 1;
        const left = (taken.get(who) ?? 1) - 1;
        if (left > 0) taken.set(who, left);
        else taken.delete(who);
      };
    },
  };
}
