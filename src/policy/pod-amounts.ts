/** What a pod is counted as by what its containers are. Pure. */
import { addAmounts, noAmounts } from "./amounts.ts";
import type { Turn } from "./containers.ts";
import type { Amounts } from "./quantity.ts";

/**
 * As the scheduler and the quota count it (PodRequests and PodLimits in k8s.io/component-helpers/resource/helpers.go): what runs
 * together is added up; of those that run before, one after the other, the largest counts if it is more than that; and what runs
 * beside all the others from before is added to both, to those that come after it.
 */
export function podAmounts(containers: readonly { readonly turn: Turn; readonly amounts: Amounts }[]): Amounts {
  let together = noAmounts;
  let beside = noAmounts;
  let before = noAmounts;
  for (const { turn, amounts } of containers) {
    if (turn !== "before") together = addAmounts(together, amounts);
    if (turn === "beside") beside = addAmounts(beside, amounts);
    if (turn === "before") before = largest(before, addAmounts(amounts, beside));
  }
  return largest(together, before);
}

function largest(a: Amounts, b: Amounts): Amounts {
  const most = new Map(a);
  for (const [name, quantity] of b) {
    const known = most.get(name);
    if (known === undefined || known < quantity) most.set(name, quantity);
  }
  return most;
}
