/** What counts for one peer, every field resolved. */
import type { Cidr } from "./cidr.ts";
import type { Glob } from "./glob.ts";
import type { ImagePattern } from "./image-pattern.ts";
import type { KeyPattern } from "./key-pattern.ts";
import type { Amounts, Quantity } from "./quantity.ts";

/** A peer as our operator sees it. What it says of itself never selects a policy. */
export interface PolicyPeer {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface EgressPort {
  readonly port: number;
  /** The last of a range that begins with `port`. */
  readonly endPort?: number;
  readonly protocol: "TCP" | "UDP";
}

export interface EgressRule {
  readonly cidr: Cidr;
  /** All when empty. */
  readonly ports: readonly EgressPort[];
}

export interface ServiceRule {
  readonly namespace: string;
  /** All of the namespace when it is missing. */
  readonly name?: string;
  /** All when empty. */
  readonly ports: readonly number[];
}

/** Requests to the Kubernetes API that may be made; as a rule of RBAC. */
export interface KubernetesRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  /** Everywhere, and what is in no namespace, when empty. */
  readonly namespaces: readonly string[];
}

/** An address that a peer reaches by a name. */
export interface AddressRule {
  readonly name: string;
  /** An address, or a name in DNS. */
  readonly host: string;
  /** At least one. */
  readonly ports: readonly number[];
  readonly protocol: "TCP" | "UDP";
  /** What is spoken inside of that, as far as anybody has said. */
  readonly appProtocol?: string | undefined;
}

/** Hosts of routes into this cluster. */
export interface RouteRule {
  /** Where the routes are; at least one. */
  readonly namespaces: readonly string[];
  /** All when empty. */
  readonly hosts: readonly Glob[];
}

/** Nodes whose kubelets may be read. */
export interface NodeRule {
  /** At least one. */
  readonly names: readonly Glob[];
  /** All of which a node has. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Services that a peer may offer here. */
export interface ReverseRule {
  /** Any when it is missing. */
  readonly name?: string;
  /** Any when empty. */
  readonly ports: readonly number[];
}

/** Where no policy says how many. Each is a socket of this process. */
export const defaultConnections = 2_048;

/** Of all connections of a peer together; without a bound where it is missing. */
export interface TunnelLimits {
  readonly connections?: number;
  readonly connectionsPerSecond?: number;
  readonly bytesPerSecond?: number;
}

/** How far this agent carries for a peer. */
export interface RelayBounds {
  readonly allow: boolean;
  /** Carriers at a time with the peer at one of their ends. */
  readonly maxCarriers: number;
  /** From and to the peer together; without a bound when it is missing. */
  readonly bytesPerSecond?: number;
}

/** A registry that this agent pulls from for a peer. */
export interface RegistryRule {
  /** As patterns name it; see `placeOfImage`. */
  readonly registry: string;
  /** In that registry; all of it when empty. */
  readonly repositories: readonly ImagePattern[];
  /** A Secret in the agent's namespace; without credentials when it is missing. */
  readonly secret?: string;
  readonly plainHttp: boolean;
}

/** Amounts are by resource: `cpu`, `memory`, `ephemeral-storage`. */
export interface PodBounds {
  readonly requireRequests: readonly string[];
  readonly requireLimits: readonly string[];
  readonly max: Amounts;
  readonly defaultRequests: Amounts;
  readonly defaultLimits: Amounts;
  /** Of labels and annotations that an app may set; those without a dot when empty. */
  readonly labels: readonly KeyPattern[];
  readonly annotations: readonly KeyPattern[];
}

/** What an app may say of where its pods run. */
export interface SchedulingBounds {
  readonly nodeLabels: readonly KeyPattern[];
  readonly tolerations: readonly KeyPattern[];
  readonly topologyKeys: readonly KeyPattern[];
}

/** Every field resolved, defaults in. Bounds that are missing do not bind. */
export interface EffectivePolicy {
  readonly accept: boolean;
  readonly approval: "Never" | "NewImage" | "Always";
  /** By the names of a quota. */
  readonly approvalAbove: Amounts;
  /** For how long an approval holds when the approver does not say, in milliseconds; for ever when it is missing. */
  readonly approvalLastsMs?: number;
  /** All that are not denied when empty. */
  readonly images: readonly ImagePattern[];
  readonly deniedImages: readonly ImagePattern[];
  readonly requireDigest: boolean;
  /** By the names of a quota, where `cpu` and `memory` have become `requests.cpu` and `requests.memory`. */
  readonly quota: Amounts;
  /** The same, of all peers together. */
  readonly total: Amounts;
  readonly maxReplicas?: number;
  readonly maxApps?: number;
  readonly pod: PodBounds;
  readonly storage: { readonly classes: readonly string[]; readonly maxSize?: Quantity };
  readonly podSecurity: "baseline" | "restricted";
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly scheduling: SchedulingBounds;
  readonly egress: readonly EgressRule[];
  readonly whenViolated: "Keep" | "Stop";
  readonly tunnels: {
    readonly apps: boolean;
    readonly services: readonly ServiceRule[];
    readonly kubernetes: boolean;
    readonly approval: "Never" | "FirstUse";
    /** In milliseconds; for ever when it is missing. */
    readonly approvalLastsMs?: number;
    /** Milliseconds since 1970; from then on nothing is reached. */
    readonly until?: number;
    readonly addresses: readonly AddressRule[];
    readonly metrics: boolean;
    readonly limits: TunnelLimits;
    readonly routes: readonly RouteRule[];
    readonly nodes: readonly NodeRule[];
    readonly reverse: readonly ReverseRule[];
  };
  /** For who may use the Kubernetes API: groups beside the one of all peers, and what may be asked; all when empty. */
  readonly kubernetes: { readonly groups: readonly string[]; readonly allow: readonly KubernetesRule[] };
  readonly pods: { readonly logs: boolean; readonly exec: boolean; readonly files: boolean };
  readonly relay: RelayBounds;
  /** Whether the peer may bring the images of its apps itself. */
  readonly pullThrough: boolean;
  /** What the peer may pull through this agent. */
  readonly registries: readonly RegistryRule[];
  /** Every field with what counts, for `explain`. */
  readonly values: readonly ExplainedValue[];
  /** The names of the policies that select the peer, the most specific first. */
  readonly policies: readonly string[];
  /** Why policies that select the peer cannot be understood. While there are any, nothing of the peer runs and it reaches nothing. */
  readonly problems: readonly string[];
}

export interface ExplainedValue {
  /** As in the YAML below `spec`, such as `workloads.quota[requests.cpu]`. */
  readonly path: string;
  /** As JSON text; empty when there is no bound. */
  readonly value: string;
  /** The policy that says so; empty: it is the default. */
  readonly policy: string;
  /** What less specific policies say, the most specific first. */
  readonly overruled: readonly { readonly policy: string; readonly value: string }[];
}
