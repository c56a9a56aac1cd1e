/** What of the Kubernetes API a peer may ask here, before RBAC is asked. Pure. */
import { type RequestInfo, type ResourceRequest, resourceName } from "../kube/request-info.ts";
import type { EffectivePolicy, KubernetesRule } from "./effective-policy.ts";
import type { ReachPermission } from "./reach.ts";

/** What clients look at before they ask for anything: which resources there are, and how they look. */
const discovery = /^\/((api|apis|openapi)(\/.*)?|version|healthz|livez|readyz)?$/;

/** Asks only what the caller may do, or who it is. */
const aboutOneself = new Set([
  "authorization.k8s.io/selfsubjectaccessreviews",
  "authorization.k8s.io/selfsubjectrulesreviews",
  "authentication.k8s.io/selfsubjectreviews",
]);

export function permitKubernetes(
  peer: string,
  info: RequestInfo,
  { allow }: EffectivePolicy["kubernetes"],
): ReachPermission {
  if (allow.length === 0 || isHarmless(info)) return { allowed: true };
  if (info.kind === "resource" && allow.some((rule) => matches(rule, info))) return { allowed: true };
  const message = `no policy here lets peer ${peer} ${describeRequest(info)}; the operator of this cluster can allow it in a PeerPolicy's kubernetes.allow`;
  return { allowed: false, rule: "kubernetes/allow", message };
}

/** "list pods in shop", "get nodes", "get /metrics". */
export function describeRequest(info: RequestInfo): string {
  if (info.kind === "path") return `${info.verb} ${info.path}`;
  const group = info.group === "" ? "" : `.${info.group}`;
  const where = info.namespace === "" ? "" : ` in ${info.namespace}`;
  return `${info.verb || "ask for"} ${resourceName(info)}${group}${where}`;
}

function isHarmless(info: RequestInfo): boolean {
  if (info.kind === "path") return (info.verb === "get" || info.verb === "head") && discovery.test(info.path);
  return info.verb === "create" && aboutOneself.has(`${info.group}/${info.resource}`) && info.subresource === "";
}

function matches(rule: KubernetesRule, info: ResourceRequest): boolean {
  const has = (list: readonly string[], value: string): boolean => list.includes("*") || list.includes(value);
  return (
    has(rule.verbs, info.verb) &&
    has(rule.apiGroups, info.group) &&
    isNamed(rule.resources, info) &&
    (rule.namespaces.length === 0 || (info.namespace !== "" && rule.namespaces.includes(info.namespace)))
  );
}

function isNamed(resources: readonly string[], info: ResourceRequest): boolean {
  const { resource, subresource } = info;
  if (resources.includes("*") || resources.includes(resourceName(info))) return true;
  return subresource !== "" && (resources.includes(`${resource}/*`) || resources.includes(`*/${subresource}`));
}
