/** How many calls of one person run at a time, and of all: each holds its request and its answer until that is taken. */
import { tryLater } from "../try-later.ts";

export interface CallsAtOnce {
  /** Until the answer is called, it counts. Throws RESOURCE_EXHAUSTED when there are as many as there may be. */
  begin(person: string): () => void;
}

export function createCallsAtOnce(most: { readonly ofOne: number; readonly all: number }): CallsAtOnce {
  const running = new Map<string, number>();
  let all = 0;
  return {
    begin(person) {
      const own = running.get(person) ?? 0;
      if (own >= most.ofOne || all >= most.all) {
        const whose = own >= most.ofOne ? `${own} calls of yours` : `${all} calls`;
        throw tryLater(`${whose} run already, which is as many as may at a time.`, { seconds: 1 });
      }
      running.set(person, own + 1);
      all += 1;
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        all -= 1;
        const left = (running.get(person) ?? 1) - 1;
        if (left > 0) running.set(person, left);
        else running.delete(person);
      };
    },
  };
}
