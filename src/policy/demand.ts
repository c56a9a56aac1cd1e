/** What an app asks of this cluster, as rules and sums need it. Pure. */
import type { Value } from "@bufbuild/protobuf/wkt";
import type { RemoteAppSpec } from "../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { timesAmounts } from "./amounts.ts";
import type { EffectivePolicy } from "./effective-policy.ts";
import { containerDefaults } from "./pod-defaults.ts";
import { type Amounts, type Quantity, readQuantity, toThousandths, wholeQuantity } from "./quantity.ts";

/** What is claimed to keep data in. */
export interface Claim {
  /** The StorageClass that it names; the cluster's default one when it names none. */
  readonly class?: string;
  readonly size: Quantity;
}

export interface Demand {
  /** As they are written. */
  readonly images: readonly string[];
  readonly replicas: number;
  /** Of one pod, with the policy's defaults filled in as the cluster will fill them in. */
  readonly pod: { readonly requests: Amounts; readonly limits: Amounts };
  /** The resources of which the app itself speaks. Who says a limit has said a request too, as Kubernetes has it. */
  readonly stated: { readonly requests: ReadonlySet<string>; readonly limits: ReadonlySet<string> };
  readonly claims: readonly Claim[];
  /** Of all replicas, by the names of a quota: `pods`, `requests.cpu`, `limits.memory`, `requests.storage` … */
  readonly total: Amounts;
}

export function demandOf(app: RemoteAppSpec, policy: Pick<EffectivePolicy, "pod">): Demand {
  const limitsStated = read(app.resources?.limits);
  const requestsStated = new Map([...limitsStated, ...read(app.resources?.requests)]);
  const defaults = containerDefaults(policy.pod);
  const limits = new Map([...defaults.limits, ...limitsStated]);
  const requests = new Map([...defaults.requests, ...requestsStated]);
  const replicas = app.replicas ?? 1;
  const claims: readonly Claim[] = [];
  return {
    images: [app.image ?? ""],
    replicas,
    pod: { requests, limits },
    stated: { requests: new Set(requestsStated.keys()), limits: new Set(limitsStated.keys()) },
    claims,
    total: totalOf({ replicas, requests, limits, claims }),
  };
}

/** By the names of a quota. */
export function totalOf(o: {
  replicas: number;
  requests: Amounts;
  limits: Amounts;
  claims: readonly Claim[];
}): Amounts {
  const total = new Map([
    ["pods", wholeQuantity(o.replicas)],
    ...timesAmounts(o.requests, o.replicas, (name) => `requests.${name}`),
    ...timesAmounts(o.limits, o.replicas, (name) => `limits.${name}`),
  ]);
  if (o.claims.length > 0) {
    total.set("persistentvolumeclaims", wholeQuantity(o.claims.length));
    total.set(
      "requests.storage",
      o.claims.reduce((sum, { size }) => sum + size, 0n),
    );
  }
  return total;
}

/** What is no quantity was refused before, when the spec was read. */
function read(values: { readonly [name: string]: Value } | undefined): Map<string, Quantity> {
  const amounts = new Map<string, Quantity>();
  for (const [name, value] of Object.entries(values ?? {})) {
    const quantity = readQuantity(value);
    if (quantity !== undefined) amounts.set(name, toThousandths(quantity));
  }
  return amounts;
}
