/** What an app asks for under a policy, worked out once. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { type Demand, demandOf } from "../../policy/demand.ts";
import type { EffectivePolicy } from "../../policy/effective.ts";
import { type Amounts, type Quantity, wholeQuantity } from "../../policy/quantity.ts";

/** `demandOf` with a memory: a spec that was read never changes, so what it asks for under one policy does not either. */
export function createDemands(): (app: RemoteAppSpec, policy: EffectivePolicy) => Demand {
  const demands = new WeakMap<RemoteAppSpec, { policy: EffectivePolicy; demand: Demand }>();
  return (app, policy) => {
    const known = demands.get(app);
    if (known?.policy === policy) return known.demand;
    const demand = demandOf(app, policy);
    demands.set(app, { policy, demand });
    return demand;
  };
}

/** Whether the quota has room for one more pod like this beside all that is used already. */
export function hasRoomForOne(pod: Demand["pod"], quota: Amounts, used: Amounts): boolean {
  return [...quota].every(([name, most]) => (used.get(name) ?? 0n) + onePod(pod, name) <= most);
}

/** What a quota counts one pod as. */
function onePod({ requests, limits }: Demand["pod"], name: string): Quantity {
  if (name === "pods") return wholeQuantity(1);
  const resource = name.slice(name.indexOf(".") + 1);
  if (name === `requests.${resource}`) return requests.get(resource) ?? 0n;
  return name === `limits.${resource}` ? (limits.get(resource) ?? 0n) : 0n;
}
