/** What a peer may reach here through the link: ports of its apps, Services, the Kubernetes API, its pods. Pure. */
import {
  type AddressTarget,
  type NamedTarget,
  type NodeTarget,
  type RouteTarget,
  type ServiceTarget,
  targetName,
} from "../wire/target-text.ts";
import type { AddressRule, EffectivePolicy, NodeRule, RouteRule, ServiceRule } from "./effective-policy.ts";
import { matchesGlob } from "./glob.ts";
import { missingGrant, notUnderstood } from "./grants.ts";

/** `rule` names the rule that spoke. `held`: a person here may allow it. `until`: when time alone ends it, ms since 1970. */
export type ReachPermission =
  | { readonly allowed: true; readonly until?: number }
  | { readonly allowed: false; readonly rule: string; readonly message: string; readonly held?: true };

/** Who wants it, as the link proves it. */
export interface ReachCaller {
  readonly peer?: string | undefined;
  readonly grants: readonly string[];
}

/** A person's word about a target. */
export interface ReachDecision {
  /** As `targetName` has it. */
  readonly target: string;
  readonly verdict: "Approved" | "Denied";
  readonly message?: string | undefined;
  /** Milliseconds since 1970; for ever when it is missing. */
  readonly until?: number | undefined;
}

/**
 * Asked anew for each stream. A guest is for the caller to refuse before. Of a Service without a port it says whether any of its
 * ports may be reached, so that it can be looked at what port is meant.
 */
export function permitTunnel(
  caller: ReachCaller,
  target: NamedTarget,
  policy: EffectivePolicy,
  decisions: readonly ReachDecision[],
  now: number,
): ReachPermission {
  const refusal = mayReach(caller, target, policy, now);
  if (refusal) return refusal;
  const { approval, until } = policy.tunnels;
  const name = targetName(target);
  const peer = caller.peer ?? "NAME";
  const decision = decisions.find((one) => one.target === name && (one.until === undefined || one.until > now));
  // The word of a person stands, also where nobody would be asked any more.
  if (decision?.verdict === "Denied") {
    const why = decision.message ? `: ${decision.message}` : "";
    return refuse("inbox/denied", `a person at this cluster denied ${name} to peer ${peer}${why}`);
  }
  if (approval === "Never") return allow(until);
  if (decision) return allow(until, decision.until);
  const message = `a person at this cluster must approve ${name}, for it is peer ${peer}'s first use of it: fairlead inbox approve ${peer}/${name}`;
  return { allowed: false, rule: "tunnels/approval", message, held: true };
}

const grantFor = {
  app: "apps",
  service: "tunnels",
  kubernetes: "kubectl",
  metrics: "tunnels",
  address: "tunnels",
  route: "tunnels",
  node: "tunnels",
  // What is offered is reached by who it is offered to; `permitTunnel` is not asked about it.
  reverse: "tunnels",
} as const;

/** What stands against all targets of a kind, whatever the policy says of each: the grant, a policy that is not understood, the time. */
export function standsAgainst(
  caller: ReachCaller,
  kind: NamedTarget["kind"],
  policy: EffectivePolicy,
  now: number,
): ReachPermission | undefined {
  const peer = caller.peer ?? "NAME";
  const grant = grantFor[kind];
  if (!caller.grants.includes(grant)) return refuse(`grants/${grant}`, missingGrant(peer, grant));
  const [problem] = policy.problems;
  if (problem !== undefined) return refuse("policy/accept", notUnderstood(peer, problem));
  const { until } = policy.tunnels;
  if (until !== undefined && until <= now) {
    const message = `peer ${peer} might reach things here until ${new Date(until).toISOString()}, as tunnels.until of a PeerPolicy says`;
    return refuse("tunnels/until", message);
  }
  return undefined;
}

function mayReach(
  caller: ReachCaller,
  target: NamedTarget,
  policy: EffectivePolicy,
  now: number,
): ReachPermission | undefined {
  const refusal = standsAgainst(caller, target.kind, policy, now);
  if (refusal) return refusal;
  const peer = caller.peer ?? "NAME";
  if (target.kind === "service") return mayReachService(peer, target, policy.tunnels.services);
  if (target.kind === "address") return mayReachAddress(peer, target, policy.tunnels.addresses);
  if (target.kind === "route") return mayReachRoute(peer, target, policy.tunnels.routes);
  if (target.kind === "node") return mayReachNode(peer, target, policy.tunnels.nodes);
  if (target.kind === "reverse") return refuse("forwards/reverse", "it is not offered");
  const switchName = target.kind === "app" ? "apps" : target.kind;
  if (policy.tunnels[switchName]) return undefined;
  const field = `tunnels.${switchName}`;
  const message = `no policy here lets peer ${peer} reach ${targetName(target)}; the operator of this cluster can allow it in a PeerPolicy: ${field}: true`;
  return refuse(field.replace(".", "/"), message);
}

function mayReachService(
  peer: string,
  target: ServiceTarget,
  rules: readonly ServiceRule[],
): ReachPermission | undefined {
  const allowed = rules.some(
    ({ namespace, name, ports }) =>
      namespace === target.namespace &&
      (name === undefined || name === target.name) &&
      (ports.length === 0 || target.port === undefined || ports.some((port) => port === target.port)),
  );
  if (allowed) return undefined;
  const port = target.port === undefined ? "" : ` at port ${target.port}`;
  const where = `the Service ${target.namespace}/${target.name}${port}`;
  const message = `no policy here lets peer ${peer} reach ${where}; the operator of this cluster can name it in a PeerPolicy's tunnels.services`;
  return refuse("tunnels/services", message);
}

function mayReachAddress(
  peer: string,
  target: AddressTarget,
  rules: readonly AddressRule[],
): ReachPermission | undefined {
  const rule = rules.find(({ name }) => name === target.name);
  const isSpoken = rule?.protocol === (target.network === "udp" ? "UDP" : "TCP");
  if (isSpoken && (target.port === undefined || rule.ports.includes(target.port))) return undefined;
  const message = `no policy here lets peer ${peer} reach ${targetName(target)}; the operator of this cluster can list it in a PeerPolicy's tunnels.addresses`;
  return refuse("tunnels/addresses", message);
}

function mayReachRoute(peer: string, target: RouteTarget, rules: readonly RouteRule[]): ReachPermission | undefined {
  const { host, namespace } = target;
  const isNamed = routeRulesFor(rules, host).some(
    ({ namespaces }) => namespace === undefined || namespaces.includes(namespace),
  );
  if (isNamed) return undefined;
  const message = `no policy here lets peer ${peer} reach ${targetName(target)}; the operator of this cluster can name the host in a PeerPolicy's tunnels.routes`;
  return refuse("tunnels/routes", message);
}

/** Those that speak of a host. */
export function routeRulesFor(rules: readonly RouteRule[], host: string): RouteRule[] {
  return rules.filter(({ hosts }) => hosts.length === 0 || hosts.some((pattern) => matchesGlob(pattern, host)));
}

function mayReachNode(peer: string, target: NodeTarget, rules: readonly NodeRule[]): ReachPermission | undefined {
  if (rules.some((rule) => isNodeOf(rule, target))) return undefined;
  const message = `no policy here lets peer ${peer} reach ${targetName(target)}; the operator of this cluster can name it in a PeerPolicy's tunnels.nodes`;
  return refuse("tunnels/nodes", message);
}

/** Whether a rule speaks of a node; of one whose labels are not known yet, whether it may. */
export function isNodeOf({ names, labels }: NodeRule, node: Pick<NodeTarget, "name" | "labels">): boolean {
  const { labels: has } = node;
  return (
    names.some((pattern) => matchesGlob(pattern, node.name)) &&
    (has === undefined || Object.entries(labels).every(([key, value]) => Object.hasOwn(has, key) && has[key] === value))
  );
}

/** Whether a peer may offer ports of its own as a Service of this name in its namespace here. */
export function permitReverse(
  caller: ReachCaller,
  service: { readonly name: string; readonly ports: readonly number[] },
  policy: EffectivePolicy,
  now: number,
): ReachPermission {
  const refusal = standsAgainst(caller, "reverse", policy, now);
  if (refusal) return refusal;
  const isOpen = (port: number): boolean =>
    policy.tunnels.reverse.some(
      ({ name, ports }) =>
        (name === undefined || name === service.name) && (ports.length === 0 || ports.includes(port)),
    );
  const shut = service.ports.find((port) => !isOpen(port));
  if (shut === undefined) return allow(policy.tunnels.until);
  const message = `no policy there lets this cluster offer the Service ${service.name} at port ${shut}; the operator of that cluster can name it in a PeerPolicy's tunnels.reverse`;
  return refuse("tunnels/reverse", message);
}

/** Whether a peer may do this with the pods of its own apps. */
export function permitPods(
  caller: ReachCaller,
  action: "logs" | "exec" | "files",
  policy: EffectivePolicy,
): ReachPermission {
  const peer = caller.peer ?? "NAME";
  if (!caller.grants.includes("apps")) return refuse("grants/apps", missingGrant(peer, "apps"));
  const [problem] = policy.problems;
  if (problem !== undefined) return refuse("policy/accept", notUnderstood(peer, problem));
  if (policy.pods[action]) return { allowed: true };
  const message = `no policy here lets peer ${peer} use ${action} of its pods; the operator of this cluster can allow it in a PeerPolicy: pods.${action}: true`;
  return refuse(`pods/${action}`, message);
}

function refuse(rule: string, message: string): ReachPermission {
  return { allowed: false, rule, message };
}

function allow(...untils: readonly (number | undefined)[]): ReachPermission {
  const ends = untils.filter((until) => until !== undefined);
  return ends.length > 0 ? { allowed: true, until: Math.min(...ends) } : { allowed: true };
}
