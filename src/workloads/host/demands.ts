/** What an app asks for under a policy, worked out once. */
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Workload } from "../../kube/resources.ts";
import { type Demand, demandOf, endedDemand } from "../../policy/demand.ts";
import type { EffectivePolicy } from "../../policy/effective.ts";
import { type Amounts, type Quantity, wholeQuantity } from "../../policy/quantity.ts";
import { finishedRun } from "./job.ts";

/**
 * What an app asks for, as what of the Workload that is stored: of a Job that has ended only its claims are left, until it is
 * asked to run anew.
 */
type Demands = (workload: Workload | undefined, app: RemoteAppSpec, policy: EffectivePolicy) => Demand;

/** With a memory: a spec that was read never changes, so what it asks for under one policy does not either. */
export function createDemands(): Demands {
  const demands = new WeakMap<RemoteAppSpec, { policy: EffectivePolicy; demand: Demand; ended: Demand }>();
  return (workload, app, policy) => {
    const before = demands.get(app);
    const isKnown = before?.policy === policy;
    const demand = isKnown ? before.demand : demandOf(app, policy);
    const known = isKnown ? before : { policy, demand, ended: endedDemand(demand) };
    if (!isKnown) demands.set(app, known);
    return workload && finishedRun(workload, app) ? known.ended : known.demand;
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
