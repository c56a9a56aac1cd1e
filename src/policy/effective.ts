/** What counts for one peer, of all that PeerPolicies say. Pure. */
import type { PeerPolicy } from "../kube/resources.ts";
import { defaultConnections, type EffectivePolicy, type ExplainedValue, type PolicyPeer } from "./effective-policy.ts";
import type { Stated } from "./field-reader.ts";
import type { StatedFields } from "./fields.ts";
import { type KeyPattern, parseKeyPattern } from "./key-pattern.ts";
import { type StatedPolicy, statePolicy } from "./stated.ts";

export type { EffectivePolicy, PolicyPeer } from "./effective-policy.ts";

/**
 * Each field from the most specific policy that speaks of it. With `problems` it lets nothing run and nothing be reached, for
 * half a rule would be worse than none.
 */
export function effectivePolicy(policies: readonly PeerPolicy[], peer: PolicyPeer): EffectivePolicy {
  return combine(rank(policies.map((policy) => statePolicy(policy))).filter((policy) => policy.selects(peer)));
}

/** The most specific first, which does not depend on the peer. */
export function rank(policies: readonly StatedPolicy[]): StatedPolicy[] {
  return policies.toSorted(byCloseness);
}

/** What counts for a peer that all of them select, the most specific first. */
export function combine(ranked: readonly StatedPolicy[]): EffectivePolicy {
  const problems = ranked.flatMap(({ name, problems }) =>
    problems.map((problem) => `PeerPolicy ${name} cannot be understood: ${problem}`),
  );
  const chosen = { ...choose(ranked), policies: ranked.map(({ name }) => name) };
  const broken = ranked.find((policy) => policy.problems.length > 0);
  return broken ? shut(chosen, problems, broken.name) : { ...chosen, problems };
}

/** Before anything is known of the policies: for nobody anything. */
export function closedPolicy(problem: string): EffectivePolicy {
  return shut({ ...choose([]), policies: [] }, [problem], "");
}

/** Carriers of one peer, where no policy says how many: two, each with one that takes its place, and as many again. */
const defaultCarriers = 4;

/** What an app may choose where no policy says it: what any node has, and nothing by which nodes are set apart. */
const defaultScheduling = {
  nodeLabels: keys(
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
  ),
  tolerations: keys("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"),
  topologyKeys: keys("kubernetes.io/hostname", "topology.kubernetes.io/region", "topology.kubernetes.io/zone"),
};

function keys(...texts: readonly string[]): readonly KeyPattern[] {
  return texts.flatMap((text) => parseKeyPattern(text) ?? []);
}

/** The fields that let something run or be reached, with the value by which they do not. */
const shutValues: ReadonlyMap<string, string> = new Map([
  ["workloads.accept", "false"],
  ["workloads.network.egress", "[]"],
  ["tunnels.apps", "false"],
  ["tunnels.services", "[]"],
  ["tunnels.kubernetes", "false"],
  ["tunnels.addresses", "[]"],
  ["tunnels.metrics", "false"],
  ["tunnels.routes", "[]"],
  ["tunnels.nodes", "[]"],
  ["tunnels.reverse", "[]"],
  ["pods.logs", "false"],
  ["pods.exec", "false"],
  ["pods.files", "false"],
  ["relay.allow", "false"],
  ["workloads.pullThrough", "false"],
  ["images.registries", "[]"],
]);

/** Nothing runs, nothing is reached; bounds stay, so that what runs on while it may is not let loose. `by` is the broken policy. */
function shut(policy: Omit<EffectivePolicy, "problems">, problems: readonly string[], by: string): EffectivePolicy {
  return {
    ...policy,
    accept: false,
    egress: [],
    tunnels: {
      ...policy.tunnels,
      apps: false,
      services: [],
      kubernetes: false,
      addresses: [],
      metrics: false,
      routes: [],
      nodes: [],
      reverse: [],
    },
    pods: { logs: false, exec: false, files: false },
    relay: { ...policy.relay, allow: false },
    pullThrough: false,
    registries: [],
    values: policy.values.map((explained) => {
      const value = shutValues.get(explained.path);
      if (value === undefined || explained.value === value) return explained;
      const before = explained.policy === "" ? [] : [{ policy: explained.policy, value: explained.value }];
      return { ...explained, value, policy: by, overruled: [...before, ...explained.overruled] };
    }),
    problems,
  };
}

function choose(ranked: readonly StatedPolicy[]): Omit<EffectivePolicy, "policies" | "problems"> {
  const choice = new Choice(ranked);
  return {
    accept: choice.one("workloads.accept", (said) => said.accept, false),
    approval: choice.one("workloads.approval", (said) => said.approval, "Never"),
    approvalAbove: choice.map("workloads.approvalAbove", (said) => said.approvalAbove),
    ...given(
      choice.bound("workloads.approvalLasts", (said) => said.approvalLasts),
      (approvalLastsMs) => ({ approvalLastsMs }),
    ),
    images: choice.bound("workloads.images", (said) => said.images) ?? [],
    deniedImages: choice.one("workloads.deniedImages", (said) => said.deniedImages, []),
    requireDigest: choice.one("workloads.requireDigest", (said) => said.requireDigest, false),
    quota: choice.map("workloads.quota", (said) => said.quota),
    total: choice.map("workloads.total", (said) => said.total),
    ...given(
      choice.bound("workloads.maxReplicas", (said) => said.maxReplicas),
      (maxReplicas) => ({ maxReplicas }),
    ),
    ...given(
      choice.bound("workloads.maxApps", (said) => said.maxApps),
      (maxApps) => ({ maxApps }),
    ),
    pod: {
      requireRequests: choice.one("workloads.pod.requireRequests", (said) => said.requireRequests, []),
      requireLimits: choice.one("workloads.pod.requireLimits", (said) => said.requireLimits, []),
      max: choice.map("workloads.pod.max", (said) => said.podMax),
      defaultRequests: choice.map("workloads.pod.defaultRequests", (said) => said.defaultRequests),
      defaultLimits: choice.map("workloads.pod.defaultLimits", (said) => said.defaultLimits),
      labels: choice.patterns("workloads.pod.labels", (said) => said.podLabels, []),
      annotations: choice.patterns("workloads.pod.annotations", (said) => said.podAnnotations, []),
    },
    storage: {
      classes: choice.one("workloads.storage.classes", (said) => said.storageClasses, []),
      ...given(
        choice.bound("workloads.storage.maxSize", (said) => said.storageMaxSize),
        (maxSize) => ({ maxSize }),
      ),
    },
    podSecurity: choice.one("workloads.podSecurity", (said) => said.podSecurity, "baseline"),
    nodeSelector: Object.fromEntries(choice.map("workloads.nodeSelector", (said) => said.nodeSelector)),
    scheduling: {
      nodeLabels: choice.patterns(
        "workloads.scheduling.nodeLabels",
        (said) => said.nodeLabels,
        defaultScheduling.nodeLabels,
      ),
      tolerations: choice.patterns(
        "workloads.scheduling.tolerations",
        (said) => said.tolerations,
        defaultScheduling.tolerations,
      ),
      topologyKeys: choice.patterns(
        "workloads.scheduling.topologyKeys",
        (said) => said.topologyKeys,
        defaultScheduling.topologyKeys,
      ),
    },
    egress: choice.one("workloads.network.egress", (said) => said.egress, []),
    whenViolated: choice.one("workloads.whenViolated", (said) => said.whenViolated, "Keep"),
    tunnels: {
      apps: choice.one("tunnels.apps", (said) => said.tunnelApps, true),
      services: choice.one("tunnels.services", (said) => said.services, []),
      kubernetes: choice.one("tunnels.kubernetes", (said) => said.kubernetes, false),
      approval: choice.one("tunnels.approval", (said) => said.tunnelApproval, "Never"),
      ...given(
        choice.bound("tunnels.approvalLasts", (said) => said.tunnelApprovalLasts),
        (approvalLastsMs) => ({ approvalLastsMs }),
      ),
      ...given(
        choice.bound("tunnels.until", (said) => said.tunnelsUntil),
        (until) => ({ until }),
      ),
      addresses: choice.one("tunnels.addresses", (said) => said.addresses, []),
      metrics: choice.one("tunnels.metrics", (said) => said.metrics, false),
      routes: choice.one("tunnels.routes", (said) => said.routes, []),
      nodes: choice.one("tunnels.nodes", (said) => said.nodes, []),
      reverse: choice.one("tunnels.reverse", (said) => said.reverse, []),
      limits: {
        connections: choice.one("tunnels.limits.connections", (said) => said.tunnelConnections, defaultConnections),
        ...given(
          choice.bound("tunnels.limits.connectionsPerSecond", (said) => said.tunnelConnectionsPerSecond),
          (connectionsPerSecond) => ({ connectionsPerSecond }),
        ),
        ...given(
          choice.bound("tunnels.limits.bytesPerSecond", (said) => said.tunnelBytesPerSecond),
          (quantity) => ({ bytesPerSecond: Math.max(1, Number(quantity) / 1e9) }),
        ),
      },
    },
    kubernetes: {
      groups: choice.one("kubernetes.groups", (said) => said.kubernetesGroups, []),
      allow: choice.bound("kubernetes.allow", (said) => said.kubernetesAllow) ?? [],
    },
    pods: {
      logs: choice.one("pods.logs", (said) => said.logs, true),
      exec: choice.one("pods.exec", (said) => said.exec, false),
      files: choice.one("pods.files", (said) => said.files, false),
    },
    relay: {
      allow: choice.one("relay.allow", (said) => said.relayAllow, false),
      maxCarriers: choice.one("relay.maxCarriers", (said) => said.relayMaxCarriers, defaultCarriers),
      ...given(
        choice.bound("relay.bytesPerSecond", (said) => said.relayBytesPerSecond),
        // Nothing at all is what `allow` is for, and would be waited for without an end.
        (quantity) => ({ bytesPerSecond: Math.max(1, Number(quantity) / 1e9) }),
      ),
    },
    pullThrough: choice.one("workloads.pullThrough", (said) => said.pullThrough, false),
    registries: choice.one("images.registries", (said) => said.registries, []),
    values: choice.values,
  };
}

/** The bound, if there is one. */
function given<T, O>(bound: T | undefined, make: (bound: T) => O): Partial<O> {
  return bound === undefined ? {} : make(bound);
}

function byCloseness(a: StatedPolicy, b: StatedPolicy): number {
  return b.closeness - a.closeness || compare(a.createdAt, b.createdAt) || compare(a.name, b.name);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Chooses field by field, and writes down where each came from. */
class Choice {
  readonly values: ExplainedValue[] = [];
  readonly #ranked: readonly StatedPolicy[];

  /** The most specific policy first. */
  constructor(ranked: readonly StatedPolicy[]) {
    this.#ranked = ranked;
  }

  one<T>(path: string, of: (said: StatedFields) => Stated<T> | undefined, fallback: T): T {
    const [first, ...others] = this.#saying(of);
    this.#explain(path, first, others, JSON.stringify(fallback));
    return first ? first.said.value : fallback;
  }

  patterns(
    path: string,
    of: (said: StatedFields) => Stated<readonly KeyPattern[]> | undefined,
    fallback: readonly KeyPattern[],
  ): readonly KeyPattern[] {
    const [first, ...others] = this.#saying(of);
    this.#explain(path, first, others, JSON.stringify(fallback.map(({ text }) => text)));
    return first ? first.said.value : fallback;
  }

  /** A field without which nothing is bounded. */
  bound<T>(path: string, of: (said: StatedFields) => Stated<T> | undefined): T | undefined {
    const [first, ...others] = this.#saying(of);
    this.#explain(path, first, others, "");
    return first?.said.value;
  }

  map<T>(path: string, of: (said: StatedFields) => ReadonlyMap<string, Stated<T>>): ReadonlyMap<string, T> {
    const keys = new Set(this.#ranked.flatMap(({ fields }) => [...of(fields).keys()]));
    if (keys.size === 0) this.#explain(path, undefined, [], "");
    const chosen = new Map<string, T>();
    for (const key of [...keys].sort()) {
      const value = this.bound(`${path}[${key}]`, (said) => of(said).get(key));
      if (value !== undefined) chosen.set(key, value);
    }
    return chosen;
  }

  #saying<T>(of: (said: StatedFields) => Stated<T> | undefined): { policy: string; said: Stated<T> }[] {
    return this.#ranked.flatMap(({ name, fields }) => {
      const said = of(fields);
      return said ? [{ policy: name, said }] : [];
    });
  }

  #explain<T>(
    path: string,
    first: { policy: string; said: Stated<T> } | undefined,
    others: readonly { policy: string; said: Stated<T> }[],
    fallback: string,
  ): void {
    const overruled = others.map(({ policy, said }) => ({ policy, value: said.text }));
    this.values.push({ path, value: first?.said.text ?? fallback, policy: first?.policy ?? "", overruled });
  }
}
