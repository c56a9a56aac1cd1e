/** What pods may reach, as rules of a NetworkPolicy. Pure. */
import { type Cidr, contains, formatCidr, parseAddress, parseCidr } from "./cidr.ts";
import type { EgressRule } from "./effective-policy.ts";

/** What must be known of the cluster. */
export interface NetworkFacts {
  /** The agent's own pods, which may reach every app; undefined when it does not run in this cluster. */
  readonly agent: { readonly namespace: string; readonly podLabels: Readonly<Record<string, string>> } | undefined;
  /** Addresses of the API server: of its Service and of its own. Nothing of a peer ever reaches them. */
  readonly apiServer: readonly string[];
  /** Addresses of the cluster's DNS beside its pods, such as that of its Service. */
  readonly dns?: readonly string[];
}

/** Node metadata and whatever else answers on a link of its own: never reached, whatever a policy says. */
const forbidden = blocks(
  "169.254.0.0/16",
  "100.100.100.200/32",
  "fd00:ec2::254/128",
  "fe80::/10",
  "127.0.0.0/8",
  "::1/128",
);

/** What a NAT64 gateway sends on to the IPv4 address in the last bits (RFC 6052). */
const nat64 = parseAddress("64:ff9b::")?.base ?? 0n;

/** Meant only by a block that lies within one of them (RFC 1918, RFC 6598, RFC 4193, RFC 8215). */
const privateRanges = blocks(
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "fc00::/7",
  "64:ff9b:1::/48",
);

/** Node metadata answers at port 53 too, on some clouds; no fact makes it the cluster's DNS. */
const metadata = blocks("169.254.169.0/24", "100.100.100.200/32", "fd00:ec2::254/128");

/** Where a cache of DNS on each node listens (NodeLocal DNSCache). */
const nodeLocalDns = blocks("169.254.20.10/32");

const dnsPods = {
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
  podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
};

const dnsPorts = [
  { protocol: "UDP", port: 53 },
  { protocol: "TCP", port: 53 },
];

/** DNS, and what the rules name of what they may name. */
export function egressRules(rules: readonly EgressRule[], facts: NetworkFacts) {
  const servers = addresses(facts.dns ?? []).filter((server) => !metadata.some((block) => contains(block, server)));
  const dns = withoutInner([...nodeLocalDns, ...servers]).map((cidr) => ({ ipBlock: { cidr: formatCidr(cidr) } }));
  const never = [...forbidden, ...addresses(facts.apiServer)];
  return [{ to: [dnsPods, ...dns], ports: dnsPorts }, ...rules.flatMap((rule) => egressRule(rule, never))];
}

function egressRule({ cidr, ports }: EgressRule, never: readonly Cidr[]) {
  const isPrivate = privateRanges.some((range) => contains(range, cidr));
  const blocks = isPrivate ? never : [...never, ...privateRanges];
  const taken = [...blocks, ...blocks.filter(({ family }) => family === 4).map(throughNat64)];
  // Nothing is left of a block that lies within what is taken from it.
  if (taken.some((block) => contains(block, cidr))) return [];
  const except = withoutInner(taken.filter((block) => contains(cidr, block))).map(formatCidr);
  return [
    {
      to: [{ ipBlock: { cidr: formatCidr(cidr), ...(except.length > 0 ? { except } : {}) } }],
      ...(ports.length > 0 ? { ports: ports.map((port) => ({ ...port })) } : {}),
    },
  ];
}

function throughNat64({ base, prefix }: Cidr): Cidr {
  return { family: 6, base: nat64 | base, prefix: prefix + 96 };
}

/** Without blocks that lie within others, nor the same twice. */
function withoutInner(blocks: readonly Cidr[]): Cidr[] {
  return blocks.filter(
    (block, index) =>
      !blocks.some((other, at) => at !== index && contains(other, block) && (!contains(block, other) || at < index)),
  );
}

function blocks(...texts: readonly string[]): readonly Cidr[] {
  return texts.flatMap((text) => parseCidr(text) ?? []);
}

function addresses(texts: readonly string[]): Cidr[] {
  return texts.flatMap((text) => parseAddress(text) ?? []);
}
