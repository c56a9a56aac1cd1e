/** What one PeerPolicy says of each field. Pure. */
import { isIP } from "node:net";
import { toJson } from "@bufbuild/protobuf";
import {
  type AddressRule as AddressMessage,
  AddressRuleSchema,
  type EgressRule as EgressMessage,
  EgressRuleSchema,
  type KubernetesRule as KubernetesMessage,
  KubernetesRuleSchema,
  type NodeRule as NodeMessage,
  NodeRuleSchema,
  type PeerPolicySpec,
  type RegistryRule as RegistryMessage,
  RegistryRuleSchema,
  type ReverseRule as ReverseMessage,
  ReverseRuleSchema,
  type RouteRule as RouteMessage,
  RouteRuleSchema,
  type ServiceRule as ServiceMessage,
  ServiceRuleSchema,
} from "../gen/fairlead/resources/v1alpha1/peer_policy_pb.ts";
import { type Cidr, parseCidr } from "./cidr.ts";
import type {
  AddressRule,
  EgressRule,
  KubernetesRule,
  NodeRule,
  RegistryRule,
  ReverseRule,
  RouteRule,
  ServiceRule,
} from "./effective-policy.ts";
import { asSaid, FieldReader, type ItemKind, type Said, type SaidMap } from "./field-reader.ts";
import { parseGlob } from "./glob.ts";
import { type ImagePattern, parsePattern, placeOfImage } from "./image-pattern.ts";
import { isKeptOut, isLoopback } from "./kept-out.ts";
import { type KeyPattern, parseKeyPattern, parseTaintPattern } from "./key-pattern.ts";
import type { Problems } from "./problems.ts";
import type { Quantity } from "./quantity.ts";
import { podResource, quotaName } from "./resource-name.ts";

/** Fields that are missing are not spoken of. */
export interface StatedFields {
  readonly accept: Said<boolean>;
  readonly approval: Said<"Never" | "NewImage" | "Always">;
  readonly approvalAbove: SaidMap<Quantity>;
  readonly approvalLasts: Said<number>;
  readonly images: Said<readonly ImagePattern[]>;
  readonly deniedImages: Said<readonly ImagePattern[]>;
  readonly requireDigest: Said<boolean>;
  readonly quota: SaidMap<Quantity>;
  readonly total: SaidMap<Quantity>;
  readonly maxReplicas: Said<number>;
  readonly maxApps: Said<number>;
  readonly requireRequests: Said<readonly string[]>;
  readonly requireLimits: Said<readonly string[]>;
  readonly podMax: SaidMap<Quantity>;
  readonly defaultRequests: SaidMap<Quantity>;
  readonly defaultLimits: SaidMap<Quantity>;
  readonly podLabels: Said<readonly KeyPattern[]>;
  readonly podAnnotations: Said<readonly KeyPattern[]>;
  readonly storageClasses: Said<readonly string[]>;
  readonly storageMaxSize: Said<Quantity>;
  readonly podSecurity: Said<"baseline" | "restricted">;
  readonly nodeSelector: SaidMap<string>;
  readonly nodeLabels: Said<readonly KeyPattern[]>;
  readonly tolerations: Said<readonly KeyPattern[]>;
  readonly topologyKeys: Said<readonly KeyPattern[]>;
  readonly egress: Said<readonly EgressRule[]>;
  readonly whenViolated: Said<"Keep" | "Stop">;
  readonly tunnelApps: Said<boolean>;
  readonly services: Said<readonly ServiceRule[]>;
  readonly kubernetes: Said<boolean>;
  readonly tunnelApproval: Said<"Never" | "FirstUse">;
  readonly tunnelApprovalLasts: Said<number>;
  readonly tunnelsUntil: Said<number>;
  readonly kubernetesGroups: Said<readonly string[]>;
  readonly kubernetesAllow: Said<readonly KubernetesRule[]>;
  readonly addresses: Said<readonly AddressRule[]>;
  readonly metrics: Said<boolean>;
  readonly routes: Said<readonly RouteRule[]>;
  readonly nodes: Said<readonly NodeRule[]>;
  readonly reverse: Said<readonly ReverseRule[]>;
  readonly tunnelConnections: Said<number>;
  readonly tunnelConnectionsPerSecond: Said<number>;
  readonly tunnelBytesPerSecond: Said<Quantity>;
  readonly logs: Said<boolean>;
  readonly exec: Said<boolean>;
  readonly files: Said<boolean>;
  readonly relayAllow: Said<boolean>;
  readonly pullThrough: Said<boolean>;
  readonly registries: Said<readonly RegistryRule[]>;
  readonly relayMaxCarriers: Said<number>;
  readonly relayBytesPerSecond: Said<Quantity>;
}

const pattern: ItemKind<string, ImagePattern> = {
  parse: parsePattern,
  show: (text) => text,
  wrong: "no pattern of images, such as registry.example.org/shop/*",
};

const resource: ItemKind<string, string> = {
  parse: podResource,
  show: (name) => name,
  wrong: "no resource that is bounded by pod: cpu, memory or ephemeral-storage",
};

const storageClass: ItemKind<string, string> = {
  parse: (name) => (/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name) ? name : undefined),
  show: (name) => name,
  wrong: "no name of a StorageClass",
};

const key: ItemKind<string, KeyPattern> = {
  parse: parseKeyPattern,
  show: (text) => text,
  wrong: "no pattern of keys, such as example.org/*",
};

const taint: ItemKind<string, KeyPattern> = {
  parse: parseTaintPattern,
  show: (text) => text,
  wrong: "no pattern of taints, such as example.org/pool or example.org/pool=guests",
};

const egressRule: ItemKind<EgressMessage, EgressRule> = {
  parse: egressOf,
  show: (rule) => toJson(EgressRuleSchema, rule),
  wrong: "no rule with a block of addresses, such as 10.20.0.0/16, and ports",
};

const serviceRule: ItemKind<ServiceMessage, ServiceRule> = {
  parse: serviceOf,
  show: (rule) => toJson(ServiceRuleSchema, rule),
  wrong: "no rule with a namespace",
};

const addressRule: ItemKind<AddressMessage, AddressRule> = {
  parse: (rule) => addressOf(rule, false),
  show: (rule) => toJson(AddressRuleSchema, rule),
  wrong: "no rule with a name, a host (never loopback or a link-local address), ports, and TCP or UDP",
};

/** Of an agent whose own machine is what it offers. */
const ownAddressRule: ItemKind<AddressMessage, AddressRule> = {
  ...addressRule,
  parse: (rule) => addressOf(rule, true),
  wrong: "no rule with a name, a host (never a link-local address), ports, and TCP or UDP",
};

const routeRule: ItemKind<RouteMessage, RouteRule> = {
  parse: ({ namespaces, hosts }) => (namespaces.length === 0 ? undefined : { namespaces, hosts: hosts.map(parseGlob) }),
  show: (rule) => toJson(RouteRuleSchema, rule),
  wrong: "no rule with namespaces, and hosts such as shop.example.org or *.example.org",
};

const nodeRule: ItemKind<NodeMessage, NodeRule> = {
  parse: ({ names, labels }) => (names.length === 0 ? undefined : { names: names.map(parseGlob), labels }),
  show: (rule) => toJson(NodeRuleSchema, rule),
  wrong: "no rule with names of nodes, such as worker-1 or worker-*, and labels",
};

const reverseRule: ItemKind<ReverseMessage, ReverseRule> = {
  parse: ({ name, ports }) => ({ ...(name ? { name } : {}), ports }),
  show: (rule) => toJson(ReverseRuleSchema, rule),
  wrong: "no rule with the name of a Service, or ports of it",
};

const registryRule: ItemKind<RegistryMessage, RegistryRule> = {
  parse: registryOf,
  show: (rule) => toJson(RegistryRuleSchema, rule),
  wrong: "no rule with a registry, such as registry.example.org:5000, and repositories in it, such as shop/*",
};

const group: ItemKind<string, string> = {
  parse: (name) => (/^(?!system:)[A-Za-z0-9][-A-Za-z0-9:._@/]*$/.test(name) ? name : undefined),
  show: (name) => name,
  wrong: "no group that a peer can be in: those that begin with system: are Kubernetes' own",
};

const kubernetesRule: ItemKind<KubernetesMessage, KubernetesRule> = {
  parse: ({ verbs, apiGroups, resources, namespaces }) =>
    verbs.length === 0 || resources.length === 0
      ? undefined
      : { verbs, resources, namespaces, apiGroups: apiGroups.length === 0 ? [""] : apiGroups },
  show: (rule) => toJson(KubernetesRuleSchema, rule),
  wrong: "no rule with verbs and resources",
};

/** How policies are read where the agent stands in no cluster. */
export interface Reading {
  /** Addresses of loopback may be listed: the machine itself is what its operator offers. Not unless given. */
  readonly toItself?: boolean;
}

export function readFields(spec: PeerPolicySpec, problems: Problems, { toItself }: Reading = {}): StatedFields {
  const { workloads, tunnels, pods, relay, images, kubernetes } = spec;
  const { pod, storage, network, scheduling } = workloads ?? {};
  const read = new FieldReader(problems);
  return {
    accept: asSaid(workloads?.accept),
    approval: read.word("spec.workloads.approval", workloads?.approval, ["Never", "NewImage", "Always"]),
    approvalAbove: read.amounts("spec.workloads.approvalAbove", workloads?.approvalAbove, quotaName),
    approvalLasts: read.duration("spec.workloads.approvalLasts", workloads?.approvalLasts),
    images: read.list("spec.workloads.images", workloads?.images, pattern),
    deniedImages: read.list("spec.workloads.deniedImages", workloads?.deniedImages, pattern),
    requireDigest: asSaid(workloads?.requireDigest),
    quota: read.amounts("spec.workloads.quota", workloads?.quota, quotaName),
    total: read.amounts("spec.workloads.total", workloads?.total, quotaName),
    maxReplicas: asSaid(workloads?.maxReplicas),
    maxApps: asSaid(workloads?.maxApps),
    requireRequests: read.list("spec.workloads.pod.requireRequests", pod?.requireRequests, resource),
    requireLimits: read.list("spec.workloads.pod.requireLimits", pod?.requireLimits, resource),
    podMax: read.amounts("spec.workloads.pod.max", pod?.max, podResource),
    defaultRequests: read.amounts("spec.workloads.pod.defaultRequests", pod?.defaultRequests, podResource),
    defaultLimits: read.amounts("spec.workloads.pod.defaultLimits", pod?.defaultLimits, podResource),
    podLabels: read.list("spec.workloads.pod.labels", pod?.labels, key),
    podAnnotations: read.list("spec.workloads.pod.annotations", pod?.annotations, key),
    storageClasses: read.list("spec.workloads.storage.classes", storage?.classes, storageClass),
    storageMaxSize: read.quantity("spec.workloads.storage.maxSize", storage?.maxSize),
    podSecurity: read.word("spec.workloads.podSecurity", workloads?.podSecurity, ["baseline", "restricted"]),
    nodeSelector: read.labels("spec.workloads.nodeSelector", workloads?.nodeSelector),
    nodeLabels: read.list("spec.workloads.scheduling.nodeLabels", scheduling?.nodeLabels, key),
    tolerations: read.list("spec.workloads.scheduling.tolerations", scheduling?.tolerations, taint),
    topologyKeys: read.list("spec.workloads.scheduling.topologyKeys", scheduling?.topologyKeys, key),
    egress: read.list("spec.workloads.network.egress", network?.egress, egressRule),
    whenViolated: read.word("spec.workloads.whenViolated", workloads?.whenViolated, ["Keep", "Stop"]),
    tunnelApps: asSaid(tunnels?.apps),
    services: read.list("spec.tunnels.services", tunnels?.services, serviceRule),
    kubernetes: asSaid(tunnels?.kubernetes),
    tunnelApproval: read.word("spec.tunnels.approval", tunnels?.approval, ["Never", "FirstUse"]),
    tunnelApprovalLasts: read.duration("spec.tunnels.approvalLasts", tunnels?.approvalLasts),
    tunnelsUntil: read.time("spec.tunnels.until", tunnels?.until),
    kubernetesGroups: read.list("spec.kubernetes.groups", kubernetes?.groups, group),
    kubernetesAllow: read.list("spec.kubernetes.allow", kubernetes?.allow, kubernetesRule),
    addresses: read.list("spec.tunnels.addresses", tunnels?.addresses, toItself ? ownAddressRule : addressRule),
    metrics: asSaid(tunnels?.metrics),
    routes: read.list("spec.tunnels.routes", tunnels?.routes, routeRule),
    nodes: read.list("spec.tunnels.nodes", tunnels?.nodes, nodeRule),
    reverse: read.list("spec.tunnels.reverse", tunnels?.reverse, reverseRule),
    tunnelConnections: asSaid(tunnels?.limits?.connections),
    tunnelConnectionsPerSecond: asSaid(tunnels?.limits?.connectionsPerSecond),
    tunnelBytesPerSecond: read.quantity("spec.tunnels.limits.bytesPerSecond", tunnels?.limits?.bytesPerSecond),
    logs: asSaid(pods?.logs),
    exec: asSaid(pods?.exec),
    files: asSaid(pods?.files),
    relayAllow: asSaid(relay?.allow),
    pullThrough: asSaid(workloads?.pullThrough),
    registries: read.list("spec.images.registries", images?.registries, registryRule),
    relayMaxCarriers: asSaid(relay?.maxCarriers),
    relayBytesPerSecond: read.quantity("spec.relay.bytesPerSecond", relay?.bytesPerSecond),
  };
}

function egressOf({ cidr, ports }: EgressMessage): EgressRule | undefined {
  const block = parseCidr(cidr ?? "");
  // IPv4 in IPv6's clothes is on no wire, and Kubernetes takes it for something else.
  if (!block || isMapped(block)) return undefined;
  const read: { port: number; endPort?: number; protocol: "TCP" | "UDP" }[] = [];
  for (const { port, endPort, protocol = "TCP" } of ports) {
    if (port === undefined || (protocol !== "TCP" && protocol !== "UDP")) return undefined;
    if (endPort !== undefined && endPort < port) return undefined;
    read.push({ port, protocol, ...(endPort === undefined ? {} : { endPort }) });
  }
  return { cidr: block, ports: read };
}

/** Within ::ffff:0:0/96. */
function isMapped({ family, base, prefix }: Cidr): boolean {
  return family === 6 && prefix >= 96 && base >> 32n === 0xffffn;
}

function registryOf({
  registry = "",
  repositories,
  secret,
  plainHttp = false,
}: RegistryMessage): RegistryRule | undefined {
  const place = parsePattern(`${registry}/**`) && placeOfImage({ registry, repository: "any/thing" });
  if (!place || registry.includes("*")) return undefined;
  const patterns = repositories.map((text) => (/[:@]/.test(text) ? undefined : parsePattern(`${registry}/${text}`)));
  const known = patterns.filter((pattern) => pattern !== undefined);
  if (known.length < patterns.length) return undefined;
  return { registry: place.registry, repositories: known, plainHttp, ...(secret ? { secret } : {}) };
}

function addressOf(
  { name = "", host = "", ports, protocol = "TCP", appProtocol }: AddressMessage,
  toItself: boolean,
): AddressRule | undefined {
  if (protocol !== "TCP" && protocol !== "UDP") return undefined;
  const isHost =
    isIP(host) === 0
      ? /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i.test(host) && !isNumeric(host)
      : !isKeptOut(host) || (toItself && isLoopback(host));
  if (!isHost || name === "" || ports.length === 0) return undefined;
  return { name, host, ports, protocol, ...(appProtocol && { appProtocol }) };
}

/** Systems read `2130706433`, `0x7f.1` and `127.1` as addresses. */
function isNumeric(host: string): boolean {
  return host.split(".").every((part) => /^(0x[0-9a-f]*|[0-9]+)$/i.test(part));
}

function serviceOf({ namespace, name, ports }: ServiceMessage): ServiceRule | undefined {
  if (namespace === undefined) return undefined;
  return { namespace, ...(name ? { name } : {}), ports };
}
