/** What the cluster itself enforces of a policy, as objects of a peer's namespace. Pure: equal policies give equal drafts. */
import type { Draft } from "../kube/object.ts";
import type { LimitRange, NetworkPolicy, ResourceQuota } from "../kube/resources.ts";
import type { EffectivePolicy } from "./effective-policy.ts";
import { egressRules, type NetworkFacts } from "./network.ts";
import { containerDefaults } from "./pod-defaults.ts";
import { type Amounts, formatQuantity } from "./quantity.ts";

export type { NetworkFacts } from "./network.ts";

/** What is made of a policy depends on where, and on the cluster around it. */
export interface EnforcementPlace extends NetworkFacts {
  /** The namespace of the peer's workloads. */
  readonly namespace: string;
}

export interface Enforcement {
  /** The level that the namespace is labelled with. */
  readonly podSecurity: "baseline" | "restricted";
  readonly quota: Draft<ResourceQuota>;
  /** Undefined when the policy bounds no pod and no claim. */
  readonly limits: Draft<LimitRange> | undefined;
  readonly network: Draft<NetworkPolicy>;
}

/** The name of all that is made for the namespace as a whole. */
export const enforcementName = "fairlead";

export function enforcementOf(policy: EffectivePolicy, place: EnforcementPlace): Enforcement {
  const metadata = { name: enforcementName, namespace: place.namespace };
  const limits = limitsOf(policy);
  return {
    podSecurity: policy.podSecurity,
    quota: { metadata, spec: { hard: hardOf(policy) } },
    limits: limits.length > 0 ? { metadata, spec: { limits } } : undefined,
    network: {
      metadata,
      spec: {
        podSelector: {},
        policyTypes: ["Ingress", "Egress"],
        // The API server keeps no empty list.
        ...(place.agent ? { ingress: [{ from: [podsOf(place.agent)] }] } : {}),
        egress: egressRules(policy.egress, place),
      },
    },
  };
}

/** Lets the pods of one app reach one another, which the namespace's own policy does not. */
export function networkPolicyFor(
  app: { readonly namespace: string; readonly name: string },
  selector: Readonly<Record<string, string>>,
): Draft<NetworkPolicy> {
  const pods = { podSelector: { matchLabels: { ...selector } } };
  return {
    metadata: { name: app.name, namespace: app.namespace },
    spec: {
      ...pods,
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [pods] }],
      egress: [{ to: [pods] }],
    },
  };
}

/** A node's ports and a cloud's load balancers would pass by the link and everything that guards it. */
function hardOf(policy: EffectivePolicy): Record<string, string> {
  const noClaims = policy.storage.classes.length === 0 ? { persistentvolumeclaims: "0" } : {};
  return { ...texts(policy.quota), "services.nodeports": "0", "services.loadbalancers": "0", ...noClaims };
}

function limitsOf(policy: EffectivePolicy) {
  const { max } = policy.pod;
  const defaults = containerDefaults(policy.pod);
  const most = max.size > 0 ? { max: texts(max) } : {};
  const container = {
    ...most,
    ...(defaults.limits.size > 0 ? { default: texts(defaults.limits) } : {}),
    ...(defaults.requests.size > 0 ? { defaultRequest: texts(defaults.requests) } : {}),
  };
  const { maxSize } = policy.storage;
  return [
    ...(Object.keys(container).length > 0 ? [{ type: "Container", ...container }] : []),
    ...(max.size > 0 ? [{ type: "Pod", ...most }] : []),
    ...(maxSize === undefined
      ? []
      : [{ type: "PersistentVolumeClaim", max: { storage: formatQuantity(maxSize, "storage") } }]),
  ];
}

function texts(amounts: Amounts): Record<string, string> {
  return Object.fromEntries([...amounts].map(([name, quantity]) => [name, formatQuantity(quantity, name)]));
}

function podsOf(agent: { readonly namespace: string; readonly podLabels: Readonly<Record<string, string>> }) {
  return {
    namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": agent.namespace } },
    podSelector: { matchLabels: { ...agent.podLabels } },
  };
}
