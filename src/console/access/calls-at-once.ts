/** How many calls of one person run at a time, and of all: each holds its request and its answer until that is taken. */
import { createPlaces } from "../../base/places.ts";
import { tryLater } from "../try-later.ts";

export interface CallsAtOnce {
  /** Until the answer is called, it counts. Throws RESOURCE_EXHAUSTED when there are as many as there may be. */
  begin(person: string): () => void;
}

export function createCallsAtOnce(most: { readonly ofOne: number; readonly all: number }): CallsAtOnce {
  const places = createPlaces(most);
  return {
    begin(person) {
      const end = places.take(person);
      if (typeof end !== "string") return end;
      const whose = end === "own" ? `${most.ofOne} calls of yours` : `${most.all} calls`;
      throw tryLater(`${whose} run already, which is as many as may at a time.`, { seconds: 1 });
    },
  };
}
