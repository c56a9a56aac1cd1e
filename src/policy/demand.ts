/** What an app asks of this cluster, as rules and sums need it. Pure. */
import type { RemoteAppSpec } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { JsonObject } from "../kube/object.ts";
import { timesAmounts } from "./amounts.ts";
import { type AppContainer, containersOf } from "./containers.ts";
import type { EffectivePolicy } from "./effective-policy.ts";
import { partAt, textAt, valueAt } from "./fragment.ts";
import { podAmounts } from "./pod-amounts.ts";
import { containerDefaults } from "./pod-defaults.ts";
import { podsAtOnce } from "./pods-at-once.ts";
import { type Amounts, parseQuantity, type Quantity, toThousandths, wholeQuantity } from "./quantity.ts";

/** What is claimed to keep data in, as the app writes it. */
export interface Claim {
  /** Where it stands in the spec. */
  readonly field: string;
  /** The StorageClass that it names; the cluster's default one when it names none. */
  readonly class?: string;
  /** Undefined when it says none that can be read. */
  readonly size: Quantity | undefined;
}

export interface ContainerDemand {
  /** Where it stands in the spec, with a dot behind it; empty for the app's own, at the top. */
  readonly path: string;
  /** As it is written. */
  readonly image: string;
  /** With the policy's defaults filled in as the cluster will fill them in. */
  readonly requests: Amounts;
  readonly limits: Amounts;
  /** The resources of which the app itself speaks. Who says a limit has said a request too, as Kubernetes has it. */
  readonly stated: { readonly requests: ReadonlySet<string>; readonly limits: ReadonlySet<string> };
  /** Paths of amounts that are none. */
  readonly unread: readonly string[];
}

export interface Demand {
  /** Of all containers, as they are written, each once. */
  readonly images: readonly string[];
  /** Pods at a time. */
  readonly pods: number;
  /** Where the app says how many. */
  readonly podsField: string;
  /** There may be any number of times as many, since its Jobs may overlap. */
  readonly isEndless: boolean;
  /** In the order in which they start. */
  readonly containers: readonly ContainerDemand[];
  /** Of one pod. */
  readonly pod: { readonly requests: Amounts; readonly limits: Amounts };
  readonly claims: readonly Claim[];
  /** Of all pods, by the names of a quota: `pods`, `requests.cpu`, `limits.memory`, `requests.storage` … */
  readonly total: Amounts;
}

export function demandOf(app: RemoteAppSpec, policy: Pick<EffectivePolicy, "pod">): Demand {
  const defaults = containerDefaults(policy.pod);
  const all = containersOf(app);
  const containers = all.map((container) => containerDemand(container, defaults));
  const sum = (part: "requests" | "limits"): Amounts =>
    podAmounts(all.map(({ turn }, at) => ({ turn, amounts: containers[at]?.[part] ?? new Map() })));
  const pod = { requests: sum("requests"), limits: sum("limits") };
  const { count, isEndless, field } = podsAtOnce(app);
  const claims = app.claims.map(({ spec }, at) => claimOf(spec, `claims[${at}]`));
  return {
    images: [...new Set(all.map(({ image }) => image))],
    pods: count,
    podsField: field,
    isEndless,
    containers,
    pod,
    claims,
    // A StatefulSet makes a claim for each of its pods.
    total: totalOf({ pods: count, ...pod, claims, eachClaim: app.kind === "StatefulSet" ? count : 1 }),
  };
}

/** What is left of it when all pods have ended that there will ever be: the claims, which hold data. */
export function endedDemand(demand: Demand): Demand {
  const { claims } = demand;
  const nothing: Amounts = new Map();
  return {
    ...demand,
    pods: 0,
    total: totalOf({ pods: 0, requests: nothing, limits: nothing, claims, eachClaim: 1 }),
  };
}

/** By the names of a quota. */
export function totalOf(o: {
  pods: number;
  requests: Amounts;
  limits: Amounts;
  claims: readonly Pick<Claim, "size">[];
  /** How often each claim is made. */
  eachClaim: number;
}): Amounts {
  const total = new Map([
    ["pods", wholeQuantity(o.pods)],
    ...timesAmounts(o.requests, o.pods, (name) => `requests.${name}`),
    ...timesAmounts(o.limits, o.pods, (name) => `limits.${name}`),
  ]);
  if (o.claims.length > 0) {
    const storage = o.claims.reduce((sum, { size = 0n }) => sum + size, 0n);
    total.set("persistentvolumeclaims", wholeQuantity(o.claims.length * o.eachClaim));
    total.set("requests.storage", storage * BigInt(o.eachClaim));
  }
  return total;
}

function containerDemand(container: AppContainer, defaults: { requests: Amounts; limits: Amounts }): ContainerDemand {
  const { path, image } = container;
  const unread: string[] = [];
  const read = (part: "requests" | "limits"): Map<string, Quantity> => {
    const { amounts, wrong } = readAmounts(container[part]);
    unread.push(...wrong.map((name) => `${path}resources.${part}[${name}]`));
    return amounts;
  };
  const limits = read("limits");
  const requests = new Map([...limits, ...read("requests")]);
  return {
    path,
    image,
    requests: new Map([...defaults.requests, ...requests]),
    limits: new Map([...defaults.limits, ...limits]),
    stated: { requests: new Set(requests.keys()), limits: new Set(limits.keys()) },
    unread,
  };
}

function readAmounts(values: JsonObject): { amounts: Map<string, Quantity>; wrong: string[] } {
  const amounts = new Map<string, Quantity>();
  const wrong: string[] = [];
  for (const [name, value] of Object.entries(values)) {
    const quantity = parseQuantity(value);
    if (quantity === undefined || quantity < 0n) wrong.push(name);
    else amounts.set(name, toThousandths(quantity));
  }
  return { amounts, wrong };
}

function claimOf(spec: JsonObject | undefined, field: string): Claim {
  const name = textAt(spec, "storageClassName");
  const size = parseQuantity(valueAt(partAt(partAt(spec, "resources"), "requests"), "storage"));
  return {
    field,
    ...(name === undefined ? {} : { class: name }),
    size: size === undefined || size <= 0n ? undefined : toThousandths(size),
  };
}
